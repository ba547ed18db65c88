package test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"probetape/test/programs"
)

// built are the program under test and the traced programs, made once.
var built struct {
	program string
	traced  string
	guest   bool
}

func TestMain(m *testing.M) { os.Exit(setUp(m)) }

func setUp(m *testing.M) int {
	built.program, built.traced = os.Getenv("PROBETAPE"), os.Getenv(programs.BuiltEnv)
	built.guest = built.program != ""
	if built.program == "" {
		built.program = "../bin/probetape"
	}
	var err error
	if built.program, err = filepath.Abs(built.program); err != nil {
		return fail(err)
	}
	if _, err := os.Stat(built.program); err != nil {
		return fail(errors.New("the program is not built: make build"))
	}
	if built.traced == "" {
		if built.traced, err = os.MkdirTemp("", "programs-"); err != nil {
			return fail(err)
		}
		defer os.RemoveAll(built.traced)
		if err := programs.Build("../testdata/programs", built.traced); err != nil {
			return fail(err)
		}
	}
	return m.Run()
}

func fail(err error) int {
	os.Stderr.WriteString("test: " + err.Error() + "\n")
	return 1
}

// traced returns the path of a program of testdata/programs.
func traced(name string) string { return filepath.Join(built.traced, name) }

// needRoot skips where recording is refused by rights.
func needRoot(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
}

// needProgram skips where a program is not installed; outside of the kernel matrix that fails the run.
func needProgram(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skip("needs program " + name)
	}
	return path
}

// output is what a run of the program said.
type output struct {
	stdout, stderr string
	status         int // exit status; 128 + N where signal N killed it
}

// program makes a run of the program under test.
func program(args ...string) *exec.Cmd { return exec.Command(built.program, args...) }

// run runs a command to its end.
func run(t *testing.T, cmd *exec.Cmd) output {
	t.Helper()
	var stdout, stderr bytes.Buffer
	if cmd.Stdout == nil {
		cmd.Stdout = &stdout
	}
	if cmd.Stderr == nil {
		cmd.Stderr = &stderr
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("starting %s: %v", strings.Join(cmd.Args, " "), err)
	}
	// A run that should have ended long ago is a failure of this test, not of the whole package.
	timer := time.AfterFunc(runLimit, func() {
		if err := cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
			t.Errorf("killing %s after %s: %v", strings.Join(cmd.Args, " "), runLimit, err)
		}
	})
	defer timer.Stop()
	err := cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("running %s: %v", strings.Join(cmd.Args, " "), err)
	}
	return output{stdout.String(), stderr.String(), statusOf(cmd.ProcessState)}
}

// runLimit is far more than any command of these tests takes.
const runLimit = 2 * time.Minute

func statusOf(state *os.ProcessState) int {
	if ws, ok := state.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return 128 + int(ws.Signal())
	}
	return state.ExitCode()
}

// probetape runs the program and wants an exit status.
func probetape(t *testing.T, status int, args ...string) output {
	t.Helper()
	out := run(t, program(args...))
	if out.status != status {
		t.Fatalf("probetape %s: status %d, want %d\nstdout: %s\nstderr: %s", strings.Join(args, " "), out.status, status, clip(out.stdout), clip(out.stderr))
	}
	return out
}

// clip shortens output for a message.
func clip(text string) string {
	const most = 4000
	if len(text) > most {
		return text[:most] + "..."
	}
	return text
}

// record records into a new capture and wants an exit status; args are record's, without -o.
func record(t *testing.T, status int, args ...string) (capture string, out output) {
	t.Helper()
	needRoot(t)
	capture = filepath.Join(t.TempDir(), "x.tape")
	return capture, probetape(t, status, append([]string{"record", "-o", capture}, args...)...)
}

// A loss is what every report says of what it lacks.
type loss struct {
	Lost       uint64
	Incomplete bool
}

type countsReport struct {
	loss
	Count uint64
	Rows  []countRow
}

type countRow struct {
	Table, Site string
	Comm        string
	PID         uint32
	Count       uint64
	Errors      uint64
	Lost        uint64
}

type latencyReport struct {
	loss
	Rows []struct {
		Table, Site string
		Count       uint64
		Min         *int64 `json:"min_ns"`
		P50         *int64 `json:"p50_ns"`
		Max         *int64 `json:"max_ns"`
		Sum         int64  `json:"sum_ns"`
		Unfinished  uint64
		Lost        uint64
	}
}

// report runs an analysis with JSON output and decodes it.
func report(t *testing.T, into any, analysis string, args ...string) {
	t.Helper()
	out := probetape(t, 0, append([]string{"analyze", analysis, "--format", "json"}, args...)...)
	if err := json.Unmarshal([]byte(out.stdout), into); err != nil {
		t.Fatalf("analyze %s: %v in %s", analysis, err, clip(out.stdout))
	}
}

// counts returns how often each site is in a capture, and the whole report.
func counts(t *testing.T, capture string, args ...string) (map[string]uint64, countsReport) {
	t.Helper()
	var r countsReport
	report(t, &r, "counts", append([]string{capture}, args...)...)
	bySite := map[string]uint64{}
	for _, row := range r.Rows {
		bySite[row.Site] += row.Count
	}
	return bySite, r
}

// background starts a command in a process group of its own, and ends the group with the test: what the command started too, such as
// the program that it records.
func background(t *testing.T, cmd *exec.Cmd) *exec.Cmd {
	t.Helper()
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid = true
	cmd.WaitDelay = leftOver
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL); err != nil && err != syscall.ESRCH {
			t.Error(err)
		}
		if cmd.ProcessState == nil {
			waitFor(t, cmd)
		}
	})
	return cmd
}

// leftOver is how long the output of a command is read after its end, where something that it started still holds it open.
const leftOver = 2 * time.Second

// waitFor waits for a command, whatever its status.
func waitFor(t *testing.T, cmd *exec.Cmd) {
	var exit *exec.ExitError
	if err := cmd.Wait(); err != nil && !errors.As(err, &exit) && !errors.Is(err, exec.ErrWaitDelay) {
		t.Error(err)
	}
}

// recording is a run of record in the background.
type recording struct {
	*exec.Cmd
	t       *testing.T
	capture string
	stderr  *lockedBuffer
}

// startRecording starts to record and returns when the recording has begun.
func startRecording(t *testing.T, args ...string) *recording {
	t.Helper()
	needRoot(t)
	r := &recording{t: t, capture: filepath.Join(t.TempDir(), "x.tape"), stderr: &lockedBuffer{}}
	r.Cmd = program(append([]string{"record", "-o", r.capture}, args...)...)
	r.Cmd.Stderr = r.stderr
	background(t, r.Cmd)
	r.waitFor("recording ")
	// The catalogue is there from the first flush on, which follows at once.
	eventually(t, "a capture", func() bool { return run(t, program("analyze", r.capture)).status == 0 })
	return r
}

// waitFor waits until the recording says something.
func (r *recording) waitFor(text string) {
	r.t.Helper()
	eventually(r.t, strconv.Quote(text)+" on standard error", func() bool { return strings.Contains(r.stderr.String(), text) })
}

// end sends a signal, waits for the end and returns the exit status.
func (r *recording) end(sig os.Signal) int {
	r.t.Helper()
	if err := r.Process.Signal(sig); err != nil {
		r.t.Fatal(err)
	}
	return r.wait()
}

// wait waits for the end and returns the exit status.
func (r *recording) wait() int {
	r.t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		waitFor(r.t, r.Cmd)
	}()
	select {
	case <-done:
	case <-time.After(patience):
		r.t.Fatalf("record does not end; it said: %s", r.stderr.String())
	}
	return statusOf(r.ProcessState)
}

// patience is how long something may take that takes a moment: in an emulated machine that is long.
const patience = 60 * time.Second

// eventually waits until something is so.
func eventually(t *testing.T, what string, so func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !so(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited %v for %s", patience, what)
		}
	}
}

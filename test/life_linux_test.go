package test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// busy starts a program that makes system calls until the test ends, and returns its process id.
func busy(t *testing.T) string {
	t.Helper()
	cmd := background(t, exec.Command("sh", "-c", "while :; do /bin/true; done"))
	return fmt.Sprint(cmd.Process.Pid)
}

func TestSignalEndsInGoodOrder(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		r := startRecording(t, "-p", busy(t))
		if status := r.end(sig); status != 0 {
			t.Errorf("%v: status %d: %s", sig, status, r.stderr.String())
		}
		if !strings.Contains(r.stderr.String(), "ended by: signal ") {
			t.Errorf("%v: record says: %s", sig, r.stderr.String())
		}
		if bySite, got := counts(t, r.capture, "--strict"); len(bySite) == 0 || got.Incomplete {
			t.Errorf("%v: %+v", sig, got)
		}
	}
}

func TestSignalsWithACommand(t *testing.T) {
	// The first is passed on; the command ends by it, and the recording with the command.
	r := startRecording(t, "-e", "syscall:execve", "--", "sh", "-c", "trap 'exit 9' TERM; while :; do sleep 0.05; done")
	if status := r.end(syscall.SIGTERM); status != 9 || !strings.Contains(r.stderr.String(), "command exited") {
		t.Errorf("a signal that ends the command: status %d: %s", status, r.stderr.String())
	}
	// A command that does not care: the second one ends the recorder at once, and the capture holds what was flushed.
	// It keeps nothing of the recorder's open, outlives it, and ends by itself.
	r = startRecording(t, "-e", "syscall:execve", "--", "sh", "-c",
		"trap '' INT; exec >/dev/null 2>&1; i=0; while [ $i -lt 400 ]; do sleep 0.05; i=$((i+1)); done")
	eventually(t, "calls in the capture", func() bool { bySite, _ := counts(t, r.capture); return bySite["execve"] > 3 })
	if err := r.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	time.Sleep(200 * time.Millisecond) // two of one kind at once are one
	begin := time.Now()
	if status := r.end(os.Interrupt); status != 128+int(syscall.SIGINT) || time.Since(begin) > 4*time.Second {
		t.Errorf("a second signal: status %d after %v: %s", status, time.Since(begin), r.stderr.String())
	}
	bySite, got := counts(t, r.capture)
	if bySite["execve"] == 0 || !got.Incomplete {
		t.Errorf("a recording that was ended at once: %+v", got)
	}
}

func TestIgnoredSignalStaysIgnored(t *testing.T) {
	needRoot(t)
	capture := filepath.Join(t.TempDir(), "x.tape")
	// A shell that ignores SIGHUP starts programs that do, as nohup does.
	cmd := exec.Command("sh", "-c", fmt.Sprintf(`trap '' HUP; exec %s record -o %s -d 3s -p %s`, built.program, capture, busy(t)))
	said := &lockedBuffer{}
	cmd.Stderr = said
	background(t, cmd)
	r := &recording{Cmd: cmd, t: t, capture: capture, stderr: said}
	r.waitFor("recording ")
	if status := r.end(syscall.SIGHUP); status != 0 || !strings.Contains(said.String(), "ended by: duration") {
		t.Errorf("status %d: %s", status, said.String())
	}
}

func TestKilledRecorderLeavesWhatWasFlushed(t *testing.T) {
	r := startRecording(t, "--flush", "100ms", "-p", busy(t))
	eventually(t, "events in the capture", func() bool { _, got := counts(t, r.capture); return got.Count > 100 })
	_, before := counts(t, r.capture)
	if status := r.end(syscall.SIGKILL); status != 128+int(syscall.SIGKILL) {
		t.Fatalf("status %d", status)
	}
	_, after := counts(t, r.capture)
	if after.Count < before.Count || !after.Incomplete {
		t.Errorf("%d events while recording, %d after the kill, incomplete %v", before.Count, after.Count, after.Incomplete)
	}
	summary := probetape(t, 3, "analyze", "--strict", r.capture)
	if !strings.Contains(summary.stdout, "INCOMPLETE") {
		t.Errorf("the summary does not say that the recording ended badly:\n%s", clip(summary.stdout))
	}
}

func TestCaptureIsReadWhileItIsRecorded(t *testing.T) {
	r := startRecording(t, "--flush", "100ms", "-p", busy(t))
	last := uint64(0)
	for range 5 {
		eventually(t, "more events", func() bool {
			_, got := counts(t, r.capture)
			if got.Count < last {
				t.Errorf("%d events after %d", got.Count, last)
			}
			more := got.Count > last
			last = got.Count
			return more
		})
	}
	for _, analysis := range []string{"summary", "latency", "events", "prometheus"} {
		probetape(t, 0, "analyze", analysis, r.capture)
	}
	if status := r.end(syscall.SIGINT); status != 0 {
		t.Errorf("status %d: %s", status, r.stderr.String())
	}
	if _, got := counts(t, r.capture, "--strict"); got.Count < last {
		t.Errorf("%d events at the end, %d before", got.Count, last)
	}
}

func TestMaxSizeEndsInGoodOrder(t *testing.T) {
	capture, out := record(t, 0, "--max-size", "1MiB", "-p", busy(t))
	if !strings.Contains(out.stderr, "ended by: max-size") {
		t.Errorf("record says: %s", out.stderr)
	}
	probetape(t, 0, "analyze", "--strict", capture)
}

// smallDisk mounts a file system of so many MiB.
func smallDisk(t *testing.T, mib int) string {
	t.Helper()
	needRoot(t)
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%dm", mib)); err != nil {
		t.Fatalf("mounting a small disk: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func TestNearlyFullDiskEndsInGoodOrder(t *testing.T) {
	capture := filepath.Join(smallDisk(t, 8), "x.tape")
	out := probetape(t, 0, "record", "-o", capture, "-p", busy(t))
	if !strings.Contains(out.stderr, "ended by: disk nearly full") {
		t.Errorf("record says: %s", out.stderr)
	}
	if bySite, got := counts(t, capture, "--strict"); len(bySite) == 0 || got.Count == 0 {
		t.Errorf("%+v", got)
	}
}

func TestFullDiskKeepsWhatWasRecorded(t *testing.T) {
	dir := smallDisk(t, 16)
	r := &recording{t: t, capture: filepath.Join(dir, "x.tape"), stderr: &lockedBuffer{}}
	r.Cmd = program("record", "-o", r.capture, "--flush", "200ms", "-p", busy(t))
	r.Cmd.Stderr = r.stderr
	background(t, r.Cmd)
	eventually(t, "a capture", func() bool { return run(t, program("analyze", r.capture)).status == 0 })
	eventually(t, "events in the capture", func() bool { _, got := counts(t, r.capture); return got.Count > 0 })
	// Somebody else fills the disk between two looks at it.
	f, err := os.Create(filepath.Join(dir, "ballast"))
	if err != nil {
		t.Fatal(err)
	}
	for block := make([]byte, 1<<20); ; {
		if _, err := f.Write(block); err != nil {
			break
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	status := r.wait()
	said := r.stderr.String()
	if status != 0 && status != 1 || status == 1 && !strings.Contains(said, "no space left on device") || status == 0 && !strings.Contains(said, "disk nearly full") {
		t.Errorf("status %d: %s", status, said)
	}
	if _, got := counts(t, r.capture); got.Count == 0 {
		t.Errorf("what was recorded before is gone: %+v", got)
	}
}

func TestOutputThatCannotBeWritten(t *testing.T) {
	dir := smallDisk(t, 4)
	if err := syscall.Mount("", dir, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	out := probetape(t, 1, "record", "-a", "-d", "1s", "-o", filepath.Join(dir, "x.tape"))
	if !strings.Contains(out.stderr, "read-only file system") {
		t.Errorf("record says: %s", out.stderr)
	}
	out = probetape(t, 125, "record", "-o", filepath.Join(dir, "x.tape"), "--", "sh", "-c", "echo ran")
	if strings.Contains(out.stdout, "ran") {
		t.Error("the command ran without a recording")
	}
}

func TestCaptureBelongsToTheUserBehindSudo(t *testing.T) {
	needRoot(t)
	dir := t.TempDir()
	capture := filepath.Join(dir, "x.tape")
	cmd := program("record", "-o", capture, "-e", "syscall:execve", "--", "sh", "-c", "id -u; exit 0")
	cmd.Env = append(os.Environ(), fmt.Sprintf("SUDO_UID=%d", nobody), fmt.Sprintf("SUDO_GID=%d", nobody))
	cmd.Dir = "/"
	out := run(t, cmd)
	if out.status != 0 || strings.TrimSpace(out.stdout) != fmt.Sprint(nobody) {
		t.Errorf("the command ran as user %q, status %d: %s", out.stdout, out.status, out.stderr)
	}
	err := filepath.Walk(capture, func(name string, info os.FileInfo, err error) error {
		if err != nil {
			return err
		}
		want := os.FileMode(0o600)
		if info.IsDir() {
			want = 0o700
		}
		owner := info.Sys().(*syscall.Stat_t)
		if info.Mode().Perm() != want || owner.Uid != nobody || owner.Gid != nobody {
			t.Errorf("%s: mode %v, owner %d:%d", name, info.Mode(), owner.Uid, owner.Gid)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	again := probetape(t, 2, "record", "-a", "-o", capture)
	if !strings.Contains(again.stderr, "exists") {
		t.Errorf("an existing capture: %s", again.stderr)
	}
}

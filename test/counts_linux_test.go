package test

import (
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

// calls is how often a program calls getppid that is recorded: a million times, and fewer where the machine is emulated.
func calls() uint64 {
	if built.guest {
		return 100_000
	}
	return 1_000_000
}

func TestEveryCallIsCounted(t *testing.T) {
	capture, out := record(t, 0, "-e", "syscall:getppid", "--buffer-size", "16MiB", "--", traced("getppid_threads"), fmt.Sprint(calls()))
	bySite, r := counts(t, capture)
	if bySite["getppid"] != calls() || r.Count != calls() || r.Lost != 0 || r.Incomplete {
		t.Errorf("%d calls of %d, %d lost, incomplete %v", bySite["getppid"], calls(), r.Lost, r.Incomplete)
	}
	if !strings.Contains(out.stderr, "nothing was lost") || !strings.Contains(out.stderr, "next: probetape analyze "+capture) {
		t.Errorf("record's last lines: %s", out.stderr)
	}
	probetape(t, 0, "analyze", "counts", "--strict", capture)
}

// TestLossIsAccountedFor: with a buffer that is far too small, seen + lost is what the program did, and every output says so.
func TestLossIsAccountedFor(t *testing.T) {
	capture, out := record(t, 0, "-e", "syscall:getppid", "--buffer-size", "4096", "--", traced("getppid_threads"), fmt.Sprint(calls()))
	if !strings.Contains(out.stderr, " LOST ") || !strings.Contains(out.stderr, "--buffer-size") {
		t.Errorf("record does not say that events were lost, and what helps: %s", out.stderr)
	}
	bySite, r := counts(t, capture)
	if r.Lost == 0 {
		t.Fatal("nothing was lost with a buffer of one page: the test shows nothing")
	}
	if seen := bySite["getppid"]; seen+r.Lost != calls() || seen == 0 || !r.Incomplete {
		t.Errorf("seen %d + lost %d = %d, want %d; incomplete %v", seen, r.Lost, seen+r.Lost, calls(), r.Incomplete)
	}
	lost := fmt.Sprint(r.Lost)
	for _, analysis := range []string{"summary", "counts", "latency", "events"} {
		for _, format := range []string{"table", "json", "csv"} {
			out := probetape(t, 3, "analyze", analysis, "--strict", "--format", format, "--top", "3", capture)
			text := strings.NewReplacer(",", "", "_", "").Replace(out.stdout + out.stderr)
			if !strings.Contains(text, lost) {
				t.Errorf("analyze %s --format %s does not say that %s events were lost:\n%s", analysis, format, lost, clip(out.stdout))
			}
			if !strings.Contains(out.stderr, "incomplete") {
				t.Errorf("analyze %s --strict says: %s", analysis, out.stderr)
			}
		}
	}
	metrics := probetape(t, 3, "analyze", "prometheus", "--strict", capture).stdout
	if want := `probetape_lost_events_total{table="syscall:getppid",site="getppid"} `; !strings.Contains(metrics, want) {
		t.Errorf("no line %q in the metrics:\n%s", want, clip(metrics))
	}
	if got, err := strconv.ParseFloat(number(metrics, "probetape_lost_events_total"), 64); err != nil || uint64(got) != r.Lost {
		t.Errorf("the metrics say %v lost (%v), want %d", got, err, r.Lost)
	}
	if number(metrics, "probetape_capture_incomplete") != "1" {
		t.Error("the metrics do not say that the capture is incomplete")
	}
}

// number returns the value of the first sample of a metric.
func number(metrics, name string) string {
	for line := range strings.Lines(metrics) {
		if strings.HasPrefix(line, name) {
			return strings.TrimSpace(line[strings.LastIndexByte(strings.TrimSpace(line), ' '):])
		}
	}
	return ""
}

func TestSleepsTakeTheirTime(t *testing.T) {
	const sleeps, span = 200, 10 * time.Millisecond
	capture, _ := record(t, 0, "-e", "syscall:clock_nanosleep", "--", traced("sleep_often"), fmt.Sprint(sleeps))
	var r latencyReport
	report(t, &r, "latency", capture)
	if len(r.Rows) != 1 || r.Rows[0].Site != "clock_nanosleep" || r.Rows[0].Count != sleeps || r.Lost != 0 {
		t.Fatalf("latency: %+v, want %d sleeps", r, sleeps)
	}
	row := r.Rows[0]
	late := time.Millisecond
	if built.guest {
		late = 20 * time.Millisecond // an emulated machine that shares its CPU wakes up late
	}
	if p50 := time.Duration(*row.P50); p50 < span || p50 > span+late {
		t.Errorf("p50 is %v, want %v and at most %v more", p50, span, late)
	}
	if *row.Min < int64(span) || row.Sum < sleeps*int64(span) {
		t.Errorf("min %d ns, sum %d ns: a sleep does not end early", *row.Min, row.Sum)
	}
}

func TestBlockedReadIsNamed(t *testing.T) {
	needRoot(t)
	cmd := exec.Command(traced("blocked_read"))
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	said := &lockedBuffer{}
	cmd.Stdout = said
	background(t, cmd)
	t.Cleanup(func() {
		if err := in.Close(); err != nil {
			t.Error(err)
		}
	})
	eventually(t, "the program to be ready", func() bool { return strings.Contains(said.String(), "ready") })
	pid := fmt.Sprint(cmd.Process.Pid)
	time.Sleep(50 * time.Millisecond) // from its word to its read
	capture, out := record(t, 0, "-p", pid, "-d", "1s")
	if !strings.Contains(out.stderr, "no event at all") || !strings.Contains(out.stderr, "blocked_read ("+pid+") in read") {
		t.Errorf("record does not say why there is no event: %s", out.stderr)
	}
	summary := probetape(t, 0, "analyze", capture).stdout
	for _, want := range []string{"blocked_read", pid, "read", "before the recording"} {
		if !strings.Contains(summary, want) {
			t.Errorf("the summary does not say %q:\n%s", want, summary)
		}
	}
}

func TestShortLivedProcesses(t *testing.T) {
	const processes = 100
	script := fmt.Sprintf("i=0; while [ $i -lt %d ]; do /bin/ls / >/dev/null; i=$((i+1)); done; exit 0", processes)
	capture, _ := record(t, 0, "-e", "syscall:exit_group", "--", "sh", "-c", script)
	var r struct {
		loss
		Rows []struct {
			Comm  string
			PID   uint32 `json:"pid"`
			PPID  uint32 `json:"ppid"`
			Exe   string
			Count uint64
		}
	}
	report(t, &r, "counts", "--by", "comm,pid,ppid,exe", capture)
	shell := uint32(0)
	for _, row := range r.Rows {
		if row.Comm == "sh" {
			shell = row.PID
		}
	}
	for _, row := range r.Rows {
		if row.PID != shell && (row.Comm != "ls" || row.PPID != shell || row.Exe != "/bin/ls" || row.Count != 1) {
			t.Errorf("a process is %+v; want ls, a child of %d", row, shell)
		}
	}
	if len(r.Rows) != processes+1 || r.Lost != 0 {
		t.Errorf("%d processes ended, want %d and the shell; %d lost", len(r.Rows), processes, r.Lost)
	}
}

package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"probetape/record"
	"probetape/record/launch"
	"probetape/schemas"
	"probetape/schemas/expr"
)

func TestExitStatusOfRecord(t *testing.T) {
	failed := errors.New("it failed")
	text := expr.Diagnostics{{Source: "-e", Line: 1, Col: 1, Severity: expr.SeverityError, Message: "no"}}
	for name, c := range map[string]struct {
		command bool
		status  *launch.Status
		err     error
		want    int
	}{
		"recorded":                              {false, nil, nil, statusOK},
		"failed":                                {false, nil, failed, statusFailed},
		"wrong use":                             {false, nil, usagef("", "no"), statusUsage},
		"wrong probe text":                      {false, nil, text, statusUsage},
		"command ended well":                    {true, &launch.Status{}, nil, statusOK},
		"command failed":                        {true, &launch.Status{Code: 7}, nil, 7},
		"command killed":                        {true, &launch.Status{Code: 137, Signal: 9}, nil, 137},
		"recording failed, command did not":     {true, &launch.Status{}, failed, statusRecordFailed},
		"both failed":                           {true, &launch.Status{Code: 7}, failed, 7},
		"failed before the command":             {true, nil, failed, statusRecordFailed},
		"ended before the command":              {true, nil, nil, statusRecordFailed},
		"wrong use, with a command":             {true, nil, usagef("", "no"), statusUsage},
		"wrong probe text, with a command":      {true, nil, text, statusUsage},
		"no such command":                       {true, nil, &launch.NotFoundError{Name: "x"}, statusNotFound},
		"a command that cannot run":             {true, nil, &launch.CannotRunError{Name: "x", Err: failed}, statusCannotRun},
		"a command that cannot run, and beside": {true, nil, errors.Join(&launch.CannotRunError{Name: "x", Err: failed}, failed), statusCannotRun},
	} {
		s := &session{recording: &recording{}}
		if c.command {
			s.command = []string{"x"}
		}
		if got := exitStatus(s.exit(c.status, c.err)); got != c.want {
			t.Errorf("%s: status %d, want %d", name, got, c.want)
		}
	}
}

// lastLines is what record says of a result.
func lastLines(res *record.Result) string {
	var out bytes.Buffer
	s := &session{recording: &recording{}, stderr: &out, status: &statusLine{w: &out, width: func() int { return 0 }}}
	s.opts.BufferBytes = 4 << 20
	s.sayResult(res)
	return out.String()
}

func TestLastLines(t *testing.T) {
	got := lastLines(&record.Result{Output: "a b.tape", Reason: record.ReasonDuration, Events: 1234567, Bytes: 3 << 20, Elapsed: 60 * time.Second})
	want := "probetape: recorded 1,234,567 events in 1m0s, nothing was lost; ended by: duration\n" +
		"probetape: capture a b.tape, 3.0 MiB; next: probetape analyze 'a b.tape'\n"
	if got != want {
		t.Errorf("a good recording:\n%s\nwant:\n%s", got, want)
	}
	got = lastLines(&record.Result{
		Output: "x.tape", Reason: "signal SIGINT", Events: 900, Lost: 100, ByReason: map[schemas.LossReason]uint64{schemas.LossBuffer: 100},
		Totals: []schemas.SiteTotals{{Seen: 900, Lost: 100, Unread: 3, Missed: 5}, {Missed: -1}},
	})
	for _, line := range []string{"100 LOST (10.0 %)", "100: the buffers were full", "  hint: larger buffers lose less: --buffer-size 16MiB\n", "skipped 5 runs", "3 values could not be read"} {
		if !strings.Contains(got, line) {
			t.Errorf("%q is not said:\n%s", line, got)
		}
	}
	got = lastLines(&record.Result{Output: "x.tape", Attached: 1, Blocked: []string{"cat (7) in read"}})
	if !strings.Contains(got, "warning: no event at all: the targets were waiting all the time: cat (7) in read") {
		t.Errorf("no event:\n%s", got)
	}
}

func TestShare(t *testing.T) {
	for _, c := range []struct {
		part, whole uint64
		want        string
	}{{0, 0, "0 %"}, {1, 2, "50.0 %"}, {1, 1e6, "under 0.1 %"}, {999, 1000, "99.9 %"}} {
		if got := share(c.part, c.whole); got != c.want {
			t.Errorf("share(%d, %d) = %q, want %q", c.part, c.whole, got, c.want)
		}
	}
}

func TestShellWord(t *testing.T) {
	for word, want := range map[string]string{"x.tape": "x.tape", "a b": "'a b'", "it's": `'it'\''s'`, "": "''", "$HOME": "'$HOME'"} {
		if got := shellWord(word); got != want {
			t.Errorf("shellWord(%q) = %s, want %s", word, got, want)
		}
	}
}

func TestLargerBuffer(t *testing.T) {
	for size, want := range map[int]string{1: "16KiB", 4096: "16KiB", 4 << 20: "16MiB", 1 << 30: "1GiB"} {
		got := largerBuffer(size)
		if got != want {
			t.Errorf("largerBuffer(%d) = %q, want %q", size, got, want)
		}
		if _, err := parseSize("--buffer-size", got); err != nil {
			t.Errorf("largerBuffer(%d) = %q, which is not read back: %v", size, got, err)
		}
	}
}

func TestDefaultOutput(t *testing.T) {
	got := defaultOutput(time.Date(2026, 1, 2, 3, 4, 5, 6, time.FixedZone("", 3600)))
	if !strings.HasSuffix(got, "-20260102T020405Z.tape") || strings.ContainsAny(got, "/ ") {
		t.Errorf("defaultOutput = %q", got)
	}
}

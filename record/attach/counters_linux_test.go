package attach

import (
	"sync/atomic"
	"testing"
)

// TestReadingSkipsNothing reads the counters over and over while a program calls: the kernel skips programs of tracepoints and kprobes on a
// CPU where a process is in a system call for a map, also while that process waits to run again.
func TestReadingSkipsNothing(t *testing.T) {
	needRoot(t)
	prog := buildC(t, "getppid_threads")
	const n = 200_000
	r := startRecording(t, plan(calls(syscallSite("getppid", 110))), pidConfig(t), Options{BufferBytes: 16 << 20})
	var stop atomic.Bool
	done := make(chan error, 1)
	r.begun = func() {
		go func() {
			for !stop.Load() {
				if _, err := r.session.Counters(); err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	r.ending = func() {
		stop.Store(true)
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	got := recordWith(t, r, prog, "200000")
	if c := got.counts[0]; c.Attempted != n || c.Missed != 0 {
		t.Errorf("%d calls attempted, %d missed; want %d and none", c.Attempted, c.Missed, n)
	}
}

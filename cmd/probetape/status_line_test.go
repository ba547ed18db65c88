package main

import (
	"errors"
	"strings"
	"testing"
	"time"

	"probetape/record"
)

func TestStatusLineIsRewrittenInPlace(t *testing.T) {
	var out strings.Builder
	s := &statusLine{w: &out, width: func() int { return 40 }}
	s.show(record.Progress{Events: 1234, Elapsed: 2 * time.Second, Bytes: 2048})
	s.say("a %s", "message")
	s.show(record.Progress{Events: 3234, Elapsed: 4 * time.Second, Lost: 7})
	s.mu.Lock()
	s.clear()
	s.mu.Unlock()
	want := "\r00:02  1,234 events  617/s  0 lost  2.0 K" + clearToEnd
	// A line as wide as the terminal would wrap: it is cut one before.
	want = "\r" + want[1:40] + clearToEnd
	want += "\r" + clearToEnd + "probetape: a message\n"
	line := "00:04  3,234 events  1,000/s  7 lost  0 B"
	want += "\r" + line[:39] + clearToEnd + "\r" + clearToEnd
	if out.String() != want {
		t.Errorf("written:\n%q\nwant:\n%q", out.String(), want)
	}
}

// stuckWriter is a terminal that is stopped.
type stuckWriter struct{ release chan struct{} }

func (w stuckWriter) Write(p []byte) (int, error) { <-w.release; return len(p), nil }

func TestProgressNeverWaitsForTheTerminal(t *testing.T) {
	w := stuckWriter{make(chan struct{})}
	s := &statusLine{w: w, width: func() int { return 0 }}
	progress := s.start()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range 1000 {
			progress(record.Progress{Events: uint64(i)})
		}
	}()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Fatal("the recorder waits for the terminal")
	}
	close(w.release)
	s.stop()
}

// brokenWriter is a terminal that went away.
type brokenWriter struct{ writes int }

func (w *brokenWriter) Write([]byte) (int, error) { w.writes++; return 0, errors.New("gone") }

func TestStatusLineGivesUpOnAWriterThatFails(t *testing.T) {
	w := &brokenWriter{}
	s := &statusLine{w: w, width: func() int { return 0 }}
	s.say("one")
	s.say("two")
	s.show(record.Progress{})
	if w.writes != 1 || s.err == nil {
		t.Errorf("%d writes, error %v; want one write and its error", w.writes, s.err)
	}
}

func TestClockText(t *testing.T) {
	for d, want := range map[time.Duration]string{0: "00:00", 61 * time.Second: "01:01", 3599 * time.Second: "59:59", 3*time.Hour + time.Second: "3:00:01"} {
		if got := clockText(d); got != want {
			t.Errorf("clockText(%v) = %q, want %q", d, got, want)
		}
	}
}

package main

import (
	"errors"
	"os"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"
)

// fakeRecording is a recording that signals are about.
type fakeRecording struct {
	mu             sync.Mutex
	started, ended bool
	stops          []string
	stopped        chan string
}

func (f *fakeRecording) Stop(reason string) {
	f.mu.Lock()
	f.stops = append(f.stops, reason)
	f.mu.Unlock()
	f.stopped <- reason
}
func (f *fakeRecording) CommandStarted() bool { f.mu.Lock(); defer f.mu.Unlock(); return f.started }
func (f *fakeRecording) CommandEnded() bool   { f.mu.Lock(); defer f.mu.Unlock(); return f.ended }

// watchFake watches a fake recording; what is passed on and what ends the program at once goes into channels.
func watchFake(t *testing.T, rec *fakeRecording, command bool, reaches bool, grace time.Duration) (s *signals, passed, atOnce chan os.Signal) {
	t.Helper()
	rec.stopped = make(chan string, 4)
	passed, atOnce = make(chan os.Signal, 4), make(chan os.Signal, 1)
	s = &signals{
		rec: rec, say: t.Logf, grace: grace, came: make(chan os.Signal, 4), pipes: make(chan os.Signal, 1),
		atOnce:  func(sig os.Signal) { atOnce <- sig },
		reaches: func(os.Signal) bool { return reaches },
	}
	if command {
		s.pass = func(sig os.Signal) error { passed <- sig; return nil }
	}
	s.start()
	t.Cleanup(s.stop)
	return s, passed, atOnce
}

func receive[T any](t *testing.T, what string, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(10 * time.Second):
		t.Fatalf("%s: nothing happened", what)
		panic("unreachable")
	}
}

func TestFirstSignalEndsInGoodOrderSecondAtOnce(t *testing.T) {
	rec := &fakeRecording{}
	s, _, atOnce := watchFake(t, rec, false, false, time.Hour)
	s.came <- os.Interrupt
	if why := receive(t, "the first signal", rec.stopped); why != "signal SIGINT" {
		t.Errorf("stopped for %q", why)
	}
	s.came <- syscall.SIGTERM
	if sig := receive(t, "the second signal", atOnce); sig != syscall.SIGTERM {
		t.Errorf("ended at once by %v", sig)
	}
}

func TestSignalIsPassedOnToTheCommand(t *testing.T) {
	rec := &fakeRecording{started: true}
	s, passed, _ := watchFake(t, rec, true, false, 50*time.Millisecond)
	s.came <- syscall.SIGTERM
	if sig := receive(t, "passing on", passed); sig != syscall.SIGTERM {
		t.Errorf("passed on: %v", sig)
	}
	// The command does not end: the recording does, after a while.
	if why := receive(t, "the grace's end", rec.stopped); why != "signal SIGTERM" {
		t.Errorf("stopped for %q", why)
	}
	s.came <- syscall.SIGTERM
	if sig := receive(t, "passing on the second", passed); sig != syscall.SIGTERM {
		t.Errorf("passed on: %v", sig)
	}
}

func TestTerminalReachesTheCommandByItself(t *testing.T) {
	rec := &fakeRecording{started: true}
	s, passed, _ := watchFake(t, rec, true, true, 50*time.Millisecond)
	s.came <- os.Interrupt
	receive(t, "the grace's end", rec.stopped)
	if len(passed) != 0 {
		t.Error("the command got the terminal's signal twice")
	}
}

func TestSignalBeforeOrAfterTheCommand(t *testing.T) {
	for name, rec := range map[string]*fakeRecording{"before": {}, "after": {started: true, ended: true}} {
		t.Run(name, func(t *testing.T) {
			s, passed, _ := watchFake(t, rec, true, false, time.Hour)
			s.came <- os.Interrupt
			receive(t, "the signal", rec.stopped)
			if len(passed) != 0 {
				t.Error("a signal was passed on to a command that does not run")
			}
		})
	}
}

func TestSignalThatCannotBePassedOn(t *testing.T) {
	rec := &fakeRecording{started: true}
	rec.stopped = make(chan string, 4)
	said := make(chan string, 1)
	s := &signals{
		rec: rec, grace: time.Hour, came: make(chan os.Signal, 4), pipes: make(chan os.Signal, 1),
		pass:    func(os.Signal) error { return errors.New("no such process") },
		say:     func(format string, _ ...any) { said <- format },
		atOnce:  func(os.Signal) {},
		reaches: func(os.Signal) bool { return false },
	}
	s.start()
	defer s.stop()
	s.came <- os.Interrupt
	receive(t, "the error", said)
	receive(t, "the end", rec.stopped)
}

func TestSignalNames(t *testing.T) {
	var got []string
	for _, sig := range []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP} {
		got = append(got, signalName(sig))
	}
	if want := []string{"signal SIGINT", "signal SIGTERM", "signal SIGHUP"}; !slices.Equal(got, want) {
		t.Errorf("signal names %q, want %q", got, want)
	}
}

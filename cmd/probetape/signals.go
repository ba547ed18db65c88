package main

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"probetape/record"
)

// commandGrace is how long a recording goes on after a signal was passed on to its command.
const commandGrace = 5 * time.Second

// stoppable is a recording as signals see it; *record.Recorder is one.
type stoppable interface {
	Stop(reason string)
	CommandStarted() bool
	CommandEnded() bool
}

// signals ends a recording by signals: the first in good order, the second at once.
type signals struct {
	rec     stoppable
	pass    func(os.Signal) error // to the command; nil: there is none
	say     func(format string, args ...any)
	atOnce  func(os.Signal)
	reaches func(os.Signal) bool // whether a signal reaches the command by itself
	grace   time.Duration

	came   chan os.Signal
	pipes  chan os.Signal
	done   chan struct{}
	closed chan struct{}
}

// watchSignals begins to watch. A signal that was ignored when the program started (nohup, a shell's background job) stays ignored.
func watchSignals(rec *record.Recorder, pass func(os.Signal) error, say func(string, ...any)) *signals {
	s := &signals{
		rec: rec, pass: pass, say: say, atOnce: dieBy, grace: commandGrace,
		reaches: func(sig os.Signal) bool { return sig == os.Interrupt && inForeground() },
		came:    make(chan os.Signal, 4), pipes: make(chan os.Signal, 1),
	}
	for _, sig := range []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP} {
		if !signal.Ignored(sig) {
			signal.Notify(s.came, sig)
		}
	}
	// Who reads our messages may go away (2>&1 | head): writing to it must not end the recording.
	signal.Notify(s.pipes, syscall.SIGPIPE)
	s.start()
	return s
}

func (s *signals) start() {
	s.done, s.closed = make(chan struct{}), make(chan struct{})
	go s.watch()
}

// stop ends the watching.
func (s *signals) stop() {
	signal.Stop(s.came)
	signal.Stop(s.pipes)
	close(s.done)
	<-s.closed
}

func (s *signals) watch() {
	defer close(s.closed)
	var first os.Signal
	var over <-chan time.Time
	for {
		select {
		case <-s.done:
			return
		case <-over:
			s.rec.Stop(signalName(first))
		case sig := <-s.came:
			if first != nil {
				s.passOn(sig)
				s.atOnce(sig)
				return
			}
			first = sig
			if !s.passOn(sig) {
				s.rec.Stop(signalName(sig))
				continue
			}
			over = time.After(s.grace)
		}
	}
}

// passOn passes a signal on to the command, and reports whether there is one to wait for.
func (s *signals) passOn(sig os.Signal) bool {
	if s.pass == nil || !s.rec.CommandStarted() || s.rec.CommandEnded() {
		return false
	}
	if s.reaches(sig) {
		return true
	}
	if err := s.pass(sig); err != nil {
		s.say("%v", err)
		return false
	}
	return true
}

// signalName is what a capture calls a signal as the reason of its end.
func signalName(sig os.Signal) string {
	switch sig {
	case os.Interrupt:
		return "signal SIGINT"
	case syscall.SIGTERM:
		return "signal SIGTERM"
	case syscall.SIGHUP:
		return "signal SIGHUP"
	}
	return fmt.Sprintf("signal %v", sig)
}

// dieBy ends this process by a signal, as it would have ended without watching: its parent sees which one.
func dieBy(sig os.Signal) {
	signal.Reset(sig)
	if self, err := os.FindProcess(os.Getpid()); err == nil && self.Signal(sig) == nil {
		time.Sleep(time.Second) // the signal is on its way
	}
	number, ok := sig.(syscall.Signal)
	if !ok {
		os.Exit(statusFailed)
	}
	os.Exit(statusSignalled + int(number))
}

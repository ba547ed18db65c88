package main

import (
	"fmt"
	"io"
	"sync"
	"time"

	"probetape/record"
)

// statusLine is what record says while it runs: messages, a line each, and on a terminal one line that is rewritten in place.
//
// The recorder's goroutine hands over how the recording stands and never waits for the terminal, which may be stopped (Ctrl-S).
type statusLine struct {
	mu    sync.Mutex
	w     io.Writer
	width func() int // of the terminal, 0: not known
	shown bool
	err   error // of the first write that failed: nothing is said after it

	last  record.Progress
	rate  float64
	next  chan record.Progress
	ended chan struct{}
}

func newStatusLine(w io.Writer) *statusLine {
	return &statusLine{w: w, width: func() int { return terminalWidth(w) }}
}

// start begins to show progress; the function it returns is Options.Progress.
func (s *statusLine) start() func(record.Progress) {
	s.next, s.ended = make(chan record.Progress, 1), make(chan struct{})
	go func() {
		defer close(s.ended)
		for p := range s.next {
			s.show(p)
		}
	}()
	return func(p record.Progress) {
		select {
		case s.next <- p:
		default: // the line is still being written: the next one says more
		}
	}
}

// stop ends the progress and takes its line away.
func (s *statusLine) stop() {
	if s.next == nil {
		return
	}
	close(s.next)
	<-s.ended
	s.next = nil
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clear()
}

// say prints a message on a line of its own.
func (s *statusLine) say(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clear()
	s.write("probetape: " + fmt.Sprintf(format, args...) + "\n")
}

// rateSpan is the least time that a rate is taken over.
const rateSpan = time.Second

func (s *statusLine) show(p record.Progress) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if span := p.Elapsed - s.last.Elapsed; span >= rateSpan {
		s.rate = float64(p.Events-min(p.Events, s.last.Events)) / span.Seconds()
		s.last = p
	}
	line := progressText(p, s.rate)
	if width := s.width(); width > 0 && len(line) >= width {
		line = line[:width-1] // a line that wraps cannot be rewritten
	}
	s.write("\r" + line + clearToEnd)
	s.shown = true
}

// clearToEnd is ECMA-48's EL: it clears the rest of the line.
const clearToEnd = "\x1b[K"

func (s *statusLine) clear() {
	if s.shown {
		s.write("\r" + clearToEnd)
		s.shown = false
	}
}

// write gives up at the first error: standard error that went away is no reason to end a recording.
func (s *statusLine) write(text string) {
	if s.err == nil {
		_, s.err = io.WriteString(s.w, text)
	}
}

// progressText says how a recording stands.
func progressText(p record.Progress, rate float64) string {
	return fmt.Sprintf("%s  %s events  %s/s  %s lost  %s",
		clockText(p.Elapsed), countWords(p.Events), countWords(uint64(rate)), countWords(p.Lost), sizeWords(p.Bytes))
}

// clockText writes a length of time as a clock does.
func clockText(d time.Duration) string {
	s := int(d / time.Second)
	if s >= 3600 {
		return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
	}
	return fmt.Sprintf("%02d:%02d", s/60, s%60)
}

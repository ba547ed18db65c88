package record

import (
	"fmt"
	"sync"
)

// stopper lets others end a recording, once, with a reason.
type stopper struct {
	mu        sync.Mutex
	why       string
	interrupt func() error
	err       error // of interrupt
}

// ask ends the recording; the first reason counts. Waking the loop up is a courtesy: it looks ten times a second anyhow.
func (s *stopper) ask(reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.why == "" {
		s.why = reason
	}
	if s.interrupt != nil && s.err == nil {
		s.err = s.interrupt()
	}
}

// failed returns the error of waking the loop up.
func (s *stopper) failed() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// onAsk sets what wakes the loop up.
func (s *stopper) onAsk(interrupt func() error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.interrupt = interrupt
}

func (s *stopper) reason() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.why
}

// limits are what ends a recording before its disk is full.
type limits struct {
	maxBytes int64 // of the capture; 0: none
	// space returns the bytes that are free for us on the capture's file system, and its size.
	space func() (free, size int64, err error)
}

// The reasons why a recording ends by itself.
const (
	ReasonMaxSize  = "max-size"
	ReasonDiskFull = "disk nearly full"
)

// A recording leaves a hundredth of the disk free, but at most reserveMost and at least reserveLeast: the capture must still be sealed, and
// the host must still work.
const (
	reserveShare = 100
	reserveMost  = 64 << 20
	reserveLeast = 4 << 20
)

// reserve returns what is left free on a file system of so many bytes.
func reserve(size int64) int64 {
	return min(max(size/reserveShare, reserveLeast), reserveMost)
}

// reached returns the reason where a limit is reached, and "" where none is.
func (l *limits) reached(bytes int64) (string, error) {
	if l.maxBytes > 0 && bytes >= l.maxBytes {
		return ReasonMaxSize, nil
	}
	if l.space == nil {
		return "", nil
	}
	free, size, err := l.space()
	if err != nil {
		return "", fmt.Errorf("reading the free space of the capture's disk: %w", err)
	}
	if free < reserve(size) {
		return ReasonDiskFull, nil
	}
	return "", nil
}

package attach

import (
	"errors"
	"fmt"
	"sync"

	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

// A phase is when a link is closed.
type phase int

const (
	phaseEntry phase = iota // points, and entries of calls
	phaseExit               // returns of calls: whoever's entry was seen has its return seen too
	phaseTasks              // what follows tasks, and ends the calls of those that are gone
	phases
)

// keep holds a link until its phase of detaching.
func (s *Session) keep(p phase, l link.Link) { s.links[p] = append(s.links[p], l) }

// mark remembers how many links there are.
func (s *Session) mark() [phases]int {
	var m [phases]int
	for p := range phases {
		m[p] = len(s.links[p])
	}
	return m
}

// undo closes the links made since a mark, for a reason that it returns.
func (s *Session) undo(m [phases]int, reason error) error {
	for p := range phases {
		reason = joinErr(reason, closeLinks(s.links[p][m[p]:]))
		s.links[p] = s.links[p][:m[p]]
	}
	return reason
}

func joinErr(reason, err error) error {
	if err == nil {
		return reason
	}
	return errors.Join(reason, err)
}

// Detach detaches every site, and the task programs, and returns when none of them runs any more.
func (s *Session) Detach() error {
	var errs []error
	if err := s.readMissed(); err != nil { // the links take their counts with them
		errs = append(errs, err)
	}
	for p := range phases {
		if len(s.links[p]) == 0 {
			continue
		}
		errs = append(errs, closeLinks(s.links[p]), quiesce())
		s.links[p] = nil
	}
	return errors.Join(errs...)
}

// closeLinks closes links. Each may wait for a grace period of RCU, so many wait side by side.
func closeLinks(links []link.Link) error {
	const atOnce = 64
	results := make([]error, len(links))
	var wait sync.WaitGroup
	slots := make(chan struct{}, atOnce)
	for i, l := range links {
		slots <- struct{}{}
		wait.Go(func() {
			results[i] = l.Close()
			<-slots
		})
	}
	wait.Wait()
	if err := errors.Join(results...); err != nil {
		return fmt.Errorf("detaching: %w", err)
	}
	return nil
}

// membarrierGlobal is MEMBARRIER_CMD_GLOBAL of <linux/membarrier.h>.
const membarrierGlobal = 1

// quiesce returns when every program that was running has ended: they run with RCU held, and the barrier waits for a grace period. Two
// of them, since a tracepoint of system calls may be entered before RCU is held.
func quiesce() error {
	for range 2 {
		_, _, errno := unix.Syscall(unix.SYS_MEMBARRIER, membarrierGlobal, 0, 0)
		if errno != 0 {
			return fmt.Errorf("waiting for running programs with membarrier: %w", errno)
		}
	}
	return nil
}

package attach

import (
	"fmt"

	"github.com/cilium/ebpf/link"

	"probetape/record/compile"
)

// attachLayer attaches the system calls of a layer: the exits before the entries, so that a call of which the entry was seen has its
// exit seen too.
func (s *Session) attachLayer(l *compile.Layer, results []SiteResult) {
	attach := s.rawTracepoint
	if l.Mechanism == compile.MechSyscallRecord {
		attach = s.syscallRecords
	}
	err := s.rawTracepoint("sched_process_exit", l.Gone, phaseTasks)
	if err == nil {
		err = attach("sys_exit", l.Exit, phaseExit)
	}
	if err == nil {
		err = attach("sys_enter", l.Enter, phaseEntry)
	}
	if err == nil {
		s.watch(phaseEntry, nil, s.coll.Programs[l.Enter], l.Sites...)
	}
	for _, site := range l.Sites {
		results[site].Err = err
		if err == nil {
			results[site].Mechanism = l.Mechanism
		}
	}
}

func (s *Session) syscallRecords(name, prog string, p phase) error {
	l, err := link.Tracepoint("raw_syscalls", name, s.coll.Programs[prog], nil)
	if err != nil {
		return fmt.Errorf("attaching tracepoint raw_syscalls:%s: %w", name, err)
	}
	s.keep(p, l)
	return nil
}

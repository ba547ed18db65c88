package attach

import (
	"probetape/record/compile"
)

// attachLayer attaches the system calls of a layer: the exits before the entries, so that a call of which the entry was seen has its
// exit seen too.
func (s *Session) attachLayer(l *compile.Layer, results []SiteResult) {
	err := s.rawTracepoint("sched_process_exit", l.Gone)
	if err == nil {
		err = s.rawTracepoint("sys_exit", l.Exit)
	}
	if err == nil {
		err = s.rawTracepoint("sys_enter", l.Enter)
	}
	for _, site := range l.Sites {
		results[site].Err = err
		if err == nil {
			results[site].Mechanism = compile.MechSyscall
		}
	}
}

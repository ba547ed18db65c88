package attach

import (
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"

	"probetape/record/compile"
	"probetape/schemas"
)

// tracing attaches a point of fentry or fexit.
func (s *Session) tracing(site *compile.SitePlan) error {
	prog, err := s.program(site.Entry)
	if err != nil {
		return s.untraced(site, err)
	}
	at := ebpf.AttachTraceFEntry
	if site.Site.Kind == schemas.KindFexit {
		at = ebpf.AttachTraceFExit
	}
	return s.tracingLink(site, prog, at, phaseEntry)
}

func (s *Session) tracingPair(site *compile.SitePlan) error {
	entry, exit, err := s.programs(site)
	if err != nil {
		return s.untraced(site, err)
	}
	if err := s.tracingLink(site, exit, ebpf.AttachTraceFExit, phaseExit); err != nil {
		return err
	}
	return s.tracingLink(site, entry, ebpf.AttachTraceFEntry, phaseEntry)
}

func (s *Session) tracingLink(site *compile.SitePlan, prog *ebpf.Program, at ebpf.AttachType, p phase) error {
	l, err := link.AttachTracing(link.TracingOptions{Program: prog, AttachType: at})
	if err != nil {
		return fmt.Errorf("attaching %s to %s: %w", site.Mechanism, function(site), s.symbols.why(function(site), 0, err))
	}
	s.keep(p, l)
	s.watch(p, nil, prog, site.Site.ID)
	return nil
}

// untraced explains a program that was not loaded.
func (s *Session) untraced(site *compile.SitePlan, err error) error {
	return fmt.Errorf("attaching %s to %s: %w", site.Mechanism, function(site), s.symbols.why(function(site), 0, err))
}

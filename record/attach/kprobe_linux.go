package attach

import (
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"

	"probetape/record/compile"
	"probetape/schemas"
)

// function returns the name of a kernel site's function.
func function(site *compile.SitePlan) string {
	if site.Site.Symbol != "" {
		return site.Site.Symbol
	}
	return site.Site.Name
}

// kprobe attaches a point by a perf event, which goes with this process whatever ends it.
func (s *Session) kprobe(site *compile.SitePlan) error {
	prog, err := s.program(site.Entry)
	if err != nil {
		return err
	}
	return s.kprobeLink(site, prog, phaseEntry, site.Site.Kind == schemas.KindKretprobe)
}

func (s *Session) kprobePair(site *compile.SitePlan) error {
	entry, exit, err := s.programs(site)
	if err != nil {
		return err
	}
	if err := s.kprobeLink(site, exit, phaseExit, true); err != nil {
		return err
	}
	return s.kprobeLink(site, entry, phaseEntry, false)
}

func (s *Session) kprobeLink(site *compile.SitePlan, prog *ebpf.Program, p phase, isReturn bool) error {
	opts := &link.KprobeOptions{Offset: site.Site.Offset}
	if s.prog.Config.Features.Cookie {
		opts.Cookie = site.Cookie
	}
	attach, what := link.Kprobe, "kprobe"
	if isReturn {
		attach, what = link.Kretprobe, "kretprobe"
	}
	if err := s.enterAddress(site); err != nil {
		return err
	}
	l, err := attach(function(site), prog, opts)
	if err != nil {
		return fmt.Errorf("attaching %s to %s: %w", what, function(site), s.symbols.why(function(site), site.Site.Offset, err))
	}
	s.keep(p, l)
	s.watch(p, l, prog, site.Site.ID)
	return nil
}

// endbr is the length of the instruction that functions may begin with (endbr64). The kernel puts their kprobes behind it.
const endbr = 4

// enterAddress tells the program of a kernel without cookies whose address the site's is.
func (s *Session) enterAddress(site *compile.SitePlan) error {
	if site.Addresses == "" {
		return nil
	}
	address := site.Site.Address
	if address == 0 {
		var err error
		if address, err = s.symbols.address(function(site)); err != nil {
			return err
		}
	}
	places := []uint64{address + site.Site.Offset}
	if site.Site.Offset == 0 {
		places = append(places, address+endbr)
	}
	for _, place := range places {
		if err := s.coll.Maps[site.Addresses].Put(place, uint32(site.Site.ID)); err != nil {
			return fmt.Errorf("entering the address of %s: %w", function(site), err)
		}
	}
	return nil
}

// kprobeMulti attaches points of one program by one link.
func (s *Session) kprobeMulti(sites []*compile.SitePlan) error {
	prog, err := s.program(sites[0].Entry)
	if err != nil {
		return err
	}
	return s.kprobeMultiLink(sites, prog, phaseEntry, sites[0].Site.Kind == schemas.KindKretprobe, false)
}

func (s *Session) kprobeMultiPair(sites []*compile.SitePlan) error {
	entry, exit, err := s.programs(sites[0])
	if err != nil {
		return err
	}
	if err := s.kprobeMultiLink(sites, exit, phaseExit, true, false); err != nil {
		return err
	}
	return s.kprobeMultiLink(sites, entry, phaseEntry, false, false)
}

// kprobeSession attaches calls of one program by one link.
func (s *Session) kprobeSession(sites []*compile.SitePlan) error {
	prog, err := s.program(sites[0].Entry)
	if err != nil {
		return err
	}
	return s.kprobeMultiLink(sites, prog, phaseEntry, false, true)
}

func (s *Session) kprobeMultiLink(sites []*compile.SitePlan, prog *ebpf.Program, p phase, isReturn, session bool) error {
	opts := link.KprobeMultiOptions{Session: session}
	ids := make([]schemas.SiteID, len(sites))
	addresses := true
	for i, site := range sites {
		ids[i] = site.Site.ID
		opts.Cookies = append(opts.Cookies, site.Cookie)
		addresses = addresses && site.Site.Address != 0
	}
	for _, site := range sites {
		if addresses { // the kernel need not search for them, and names may be there more than once
			opts.Addresses = append(opts.Addresses, uintptr(site.Site.Address))
		} else {
			opts.Symbols = append(opts.Symbols, function(site))
		}
	}
	attach := link.KprobeMulti
	if isReturn {
		attach = link.KretprobeMulti
	}
	l, err := attach(prog, opts)
	if err != nil {
		name := function(sites[0])
		return fmt.Errorf("attaching %s to %s: %w", sites[0].Mechanism, name, s.symbols.why(name, 0, err))
	}
	s.keep(p, l)
	s.watch(p, l, prog, ids...)
	return nil
}

// functionsGone attaches what ends the calls of tasks that are gone.
func (s *Session) functionsGone(f *compile.Function) error {
	points := []struct{ name, prog string }{{"sched_process_exit", f.Gone}, {"sched_process_free", f.Gone}}
	if f.Exec != "" {
		points = append(points, struct{ name, prog string }{"sched_process_exec", f.Exec})
	}
	for _, p := range points {
		if err := s.rawTracepoint(p.name, p.prog, phaseTasks); err != nil {
			return err
		}
	}
	return nil
}

package attach

import (
	"debug/elf"
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"

	"probetape/record/compile"
	"probetape/schemas"
)

// ErrGoReturn is returned for a return probe of a Go program. Its stacks move, and the return address with them, which such a probe
// replaces: the program would crash.
var ErrGoReturn = errors.New("a return probe would crash a Go program, whose stacks move: use uprobe")

// executable opens the file of a user site. Returns of Go programs are refused.
func (s *Session) executable(site *compile.SitePlan, returns bool) (*link.Executable, error) {
	path := site.Site.Module
	if returns {
		isGo, err := s.isGo(path)
		if err != nil {
			return nil, err
		}
		if isGo {
			return nil, fmt.Errorf("attaching %s %s of %q: %w", site.Site.Kind, site.Site.Name, path, ErrGoReturn)
		}
	}
	ex, err := link.OpenExecutable(path)
	if err != nil {
		return nil, fmt.Errorf("opening %q: %w", path, err)
	}
	return ex, nil
}

// isGo reports whether a file is a Go program. What is not ELF is none: the kernel has the last word on it.
func (s *Session) isGo(path string) (bool, error) {
	if known, ok := s.goFiles[path]; ok {
		return known, nil
	}
	f, err := elf.Open(path)
	var format *elf.FormatError
	if errors.As(err, &format) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("opening %q: %w", path, err)
	}
	defer f.Close()
	// The table that every Go program needs for its stacks; it stays when the program is stripped.
	is := f.Section(".gopclntab") != nil || f.Section(".note.go.buildid") != nil
	s.goFiles[path] = is
	return is, nil
}

func (s *Session) uprobe(site *compile.SitePlan) error {
	prog, err := s.program(site.Entry)
	if err != nil {
		return err
	}
	return s.uprobeLink(site, prog, phaseEntry, site.Site.Kind == schemas.KindUretprobe)
}

func (s *Session) uprobePair(site *compile.SitePlan) error {
	entry, exit, err := s.programs(site)
	if err != nil {
		return err
	}
	if err := s.uprobeLink(site, exit, phaseExit, true); err != nil {
		return err
	}
	return s.uprobeLink(site, entry, phaseEntry, false)
}

func (s *Session) uprobeLink(site *compile.SitePlan, prog *ebpf.Program, p phase, isReturn bool) error {
	ex, err := s.executable(site, isReturn)
	if err != nil {
		return err
	}
	opts := &link.UprobeOptions{Address: site.Site.Address, RefCtrOffset: site.RefCtr}
	if s.prog.Config.Features.Cookie {
		opts.Cookie = site.Cookie
	}
	attach := ex.Uprobe
	if isReturn {
		attach = ex.Uretprobe
	}
	l, err := attach(site.Site.Name, prog, opts)
	if err != nil {
		return fmt.Errorf("attaching %s at offset %#x of %q: %w", site.Site.Kind, site.Site.Address, site.Site.Module, err)
	}
	s.keep(p, l)
	return nil
}

// uprobeMulti attaches points of one program and one binary by one link.
func (s *Session) uprobeMulti(sites []*compile.SitePlan) error {
	prog, err := s.program(sites[0].Entry)
	if err != nil {
		return err
	}
	return s.uprobeMultiLink(sites, prog, phaseEntry, sites[0].Site.Kind == schemas.KindUretprobe)
}

func (s *Session) uprobeMultiPair(sites []*compile.SitePlan) error {
	entry, exit, err := s.programs(sites[0])
	if err != nil {
		return err
	}
	if err := s.uprobeMultiLink(sites, exit, phaseExit, true); err != nil {
		return err
	}
	return s.uprobeMultiLink(sites, entry, phaseEntry, false)
}

func (s *Session) uprobeMultiLink(sites []*compile.SitePlan, prog *ebpf.Program, p phase, isReturn bool) error {
	first := sites[0]
	ex, err := s.executable(first, isReturn)
	if err != nil {
		return err
	}
	opts := &link.UprobeMultiOptions{}
	semaphores := false
	for _, site := range sites {
		opts.Addresses = append(opts.Addresses, site.Site.Address)
		opts.Cookies = append(opts.Cookies, site.Cookie)
		opts.RefCtrOffsets = append(opts.RefCtrOffsets, site.RefCtr)
		semaphores = semaphores || site.RefCtr != 0
	}
	if !semaphores {
		opts.RefCtrOffsets = nil
	}
	attach := ex.UprobeMulti
	if isReturn {
		attach = ex.UretprobeMulti
	}
	l, err := attach(nil, prog, opts)
	if err != nil {
		return fmt.Errorf("attaching %s %s at offset %#x of %q: %w", first.Site.Kind, first.Site.Name, first.Site.Address, first.Site.Module, err)
	}
	s.keep(p, l)
	return nil
}

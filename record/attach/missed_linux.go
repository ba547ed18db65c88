package attach

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"github.com/cilium/ebpf/link"

	"probetape/schemas"
)

// Missed is runs of a program that the kernel skipped at some sites, which it does not tell apart.
type Missed struct {
	Sites []schemas.SiteID
	Count int64 // -1: not countable on this kernel
}

// A watched is what the kernel counts skipped runs for.
type watched struct {
	sites []schemas.SiteID
	link  link.Link // nil: nothing of its own
	prog  *ebpf.Program
	count int64 // when it was last read
}

// watch makes the skipped runs of a link, and of the program behind it, counted. Those of returns are not: the calls are there, and say that
// their return was missed.
func (s *Session) watch(p phase, l link.Link, prog *ebpf.Program, sites ...schemas.SiteID) {
	if p != phaseEntry {
		return
	}
	s.watched = append(s.watched, watched{sites: sites, link: l, prog: prog})
}

// Missed returns the runs that the kernel has skipped, as closely as it tells where.
func (s *Session) Missed() ([]Missed, error) {
	if err := s.readMissed(); err != nil {
		return nil, err
	}
	out := make([]Missed, len(s.watched))
	for i, w := range s.watched {
		out[i] = Missed{w.sites, w.count}
	}
	return out, nil
}

// addMissed adds what is known for each site. A count for several sites at once is none of any of them, unless it is 0.
func (s *Session) addMissed(out []Counts) {
	for _, w := range s.watched {
		for _, site := range w.sites {
			have := &out[site].Missed
			switch {
			case *have < 0 || w.count == 0:
			case w.count < 0 || len(w.sites) > 1:
				*have = -1
			default:
				*have += w.count
			}
		}
	}
}

// readMissed asks the kernel. A link's own count ends with it, so nothing is asked once they are closed.
func (s *Session) readMissed() error {
	if len(s.links[phaseEntry]) == 0 {
		return nil
	}
	programs := map[*ebpf.Program]int64{}
	for i := range s.watched {
		w := &s.watched[i]
		n, err := s.missedByLink(w.link)
		if err != nil {
			return err
		}
		if n >= 0 {
			p, read := programs[w.prog]
			if !read {
				if p, err = s.missedByProgram(w.prog); err != nil {
					return err
				}
				programs[w.prog] = p
			}
			if n += p; p < 0 {
				n = -1
			}
		}
		w.count = n
	}
	return nil
}

// missedByLink returns what the kernel skipped before it came to the program: a kprobe within a kprobe, a return for which nothing was
// left to remember it in.
func (s *Session) missedByLink(l link.Link) (int64, error) {
	if l == nil {
		return 0, nil
	}
	if !s.missedKnown {
		return -1, nil // before 6.7
	}
	info, err := l.Info()
	if errors.Is(err, link.ErrNotSupported) {
		return -1, nil
	}
	if err != nil {
		return 0, fmt.Errorf("reading what the kernel skipped: %w", err)
	}
	if k := info.KprobeMulti(); k != nil {
		return int64(k.Missed), nil
	}
	if p := info.PerfEvent(); p != nil && p.Kprobe() != nil {
		return int64(p.Kprobe().Missed), nil
	}
	return 0, nil
}

// missedByProgram returns the runs that were skipped since the program, or another one of its kind, ran on that CPU already.
func (s *Session) missedByProgram(p *ebpf.Program) (int64, error) {
	if (p.Type() == ebpf.Kprobe || p.Type() == ebpf.TracePoint) && !s.missedKnown {
		return -1, nil // it skips them and does not count
	}
	stats, err := p.Stats()
	if err != nil {
		return 0, fmt.Errorf("reading what the kernel skipped: %w", err)
	}
	return int64(stats.RecursionMisses), nil
}

// missedCounts reports whether the kernel counts what it skips of kprobes: both its ways to tell came in 6.7.
func missedCounts(types *btf.Cache) (bool, error) {
	spec, err := types.Kernel()
	if err != nil {
		return false, fmt.Errorf("reading the kernel's types: %w", err)
	}
	var info *btf.Struct
	err = spec.TypeByName("bpf_link_info", &info)
	if errors.Is(err, btf.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("reading the kernel's types: %w", err)
	}
	return hasMember(info, "missed"), nil
}

// hasMember looks for a member of a struct, or of those in it.
func hasMember(t btf.Type, name string) bool {
	var members []btf.Member
	switch t := btf.UnderlyingType(t).(type) {
	case *btf.Struct:
		members = t.Members
	case *btf.Union:
		members = t.Members
	}
	for _, m := range members {
		if m.Name == name || hasMember(m.Type, name) {
			return true
		}
	}
	return false
}

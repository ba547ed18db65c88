package attach

import (
	"fmt"

	"golang.org/x/sys/unix"

	"probetape/bpf"
	"probetape/record/compile"
	"probetape/schemas"
)

// Attach attaches the sites and returns one result for each, indexed by site. A site that fails does not stop the others.
func (s *Session) Attach() ([]SiteResult, error) {
	results := make([]SiteResult, len(s.prog.Sites))
	for i := range results {
		results[i].Site = schemas.SiteID(i)
	}
	start := bpf.Session{Start: uint64(bootTime())}
	if err := s.coll.Maps[bpf.MapSession].Put(uint32(0), start); err != nil {
		return nil, fmt.Errorf("telling the programs when the recording starts: %w", err)
	}
	for i := range s.prog.Layers {
		s.attachLayer(&s.prog.Layers[i], results)
	}
	for i := range s.prog.Functions {
		if err := s.functionsGone(&s.prog.Functions[i]); err != nil {
			return nil, err
		}
	}
	groups := map[string][]*compile.SitePlan{}
	var order []string
	for i := range s.prog.Sites {
		site := &s.prog.Sites[i]
		if s.attachMulti(site.Mechanism) != nil {
			key := site.Entry + "\x00" + site.Site.Module
			if groups[key] == nil {
				order = append(order, key)
			}
			groups[key] = append(groups[key], site)
		} else if attach := s.attachOne(site.Mechanism); attach != nil {
			results[i].take(site, attach(site))
		} else if results[i].Mechanism == "" && results[i].Err == nil {
			results[i].Err = fmt.Errorf("attaching %s: no way to attach by %q", site.Site.Kind, site.Mechanism)
		}
	}
	for _, key := range order {
		s.attachGroup(groups[key], results)
	}
	return results, nil
}

func (r *SiteResult) take(site *compile.SitePlan, err error) {
	if r.Err = err; err == nil {
		r.Mechanism = site.Mechanism
	}
}

// attachOne returns what attaches a site by a mechanism, nil where there is no such.
func (s *Session) attachOne(m compile.Mechanism) func(*compile.SitePlan) error {
	switch m {
	case compile.MechTracepoint:
		return s.tracepoint
	case compile.MechRawTracepoint:
		return s.rawTracepointSite
	case compile.MechUprobe:
		return s.uprobe
	case compile.MechUprobePair:
		return s.uprobePair
	case compile.MechKprobe:
		return s.kprobe
	case compile.MechKprobePair:
		return s.kprobePair
	case compile.MechFentry, compile.MechFexit:
		return s.tracing
	case compile.MechFentryPair:
		return s.tracingPair
	}
	return nil
}

// attachMulti returns what attaches many sites of one program by a mechanism, nil where there is no such.
func (s *Session) attachMulti(m compile.Mechanism) func([]*compile.SitePlan) error {
	switch m {
	case compile.MechUprobeMulti:
		return s.uprobeMulti
	case compile.MechUprobeMultiPair:
		return s.uprobeMultiPair
	case compile.MechKprobeMulti:
		return s.kprobeMulti
	case compile.MechKprobeMultiPair:
		return s.kprobeMultiPair
	case compile.MechKprobeSession:
		return s.kprobeSession
	}
	return nil
}

// attachGroup attaches sites by one link. The kernel takes all of them or none: where it refuses them, each half is tried, down to those
// that are to blame.
func (s *Session) attachGroup(sites []*compile.SitePlan, results []SiteResult) {
	mark := s.mark()
	err := s.attachMulti(sites[0].Mechanism)(sites)
	if err != nil {
		err = s.undo(mark, err)
	}
	if err != nil && len(sites) > 1 {
		half := len(sites) / 2
		s.attachGroup(sites[:half], results)
		s.attachGroup(sites[half:], results)
		return
	}
	for _, site := range sites {
		results[site.Site.ID].take(site, err)
	}
}

// bootTime returns the boot clock in ns.
func bootTime() int64 {
	var ts unix.Timespec
	// The clock is there on every kernel that runs these programs, and the address is valid: there is no error to come.
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		return 0
	}
	return ts.Nano()
}

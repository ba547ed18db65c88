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
	multi := map[string][]*compile.SitePlan{}
	var order []string
	for i := range s.prog.Sites {
		site := &s.prog.Sites[i]
		r := &results[i]
		switch site.Mechanism {
		case compile.MechSyscall, compile.MechSyscallRecord:
		case compile.MechUprobeMulti:
			key := site.Entry + "\x00" + site.Site.Module
			if multi[key] == nil {
				order = append(order, key)
			}
			multi[key] = append(multi[key], site)
		default:
			r.Err = s.attachSite(site)
			r.Mechanism = site.Mechanism
			if r.Err != nil {
				r.Mechanism = ""
			}
		}
	}
	for _, key := range order {
		s.uprobeMulti(multi[key], results)
	}
	return results, nil
}

func (s *Session) attachSite(site *compile.SitePlan) error {
	switch site.Mechanism {
	case compile.MechTracepoint:
		return s.tracepoint(site)
	case compile.MechRawTracepoint:
		return s.rawTracepoint(site.Site.Name, site.Entry)
	case compile.MechUprobe:
		return s.uprobe(site)
	}
	return fmt.Errorf("attaching %s: no way to attach by %q", site.Site.Kind, site.Mechanism)
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

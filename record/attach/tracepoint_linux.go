package attach

import (
	"fmt"

	"github.com/cilium/ebpf/link"

	"probetape/record/compile"
)

func (s *Session) tracepoint(site *compile.SitePlan) error {
	var opts *link.TracepointOptions
	if s.prog.Config.Features.Cookie {
		opts = &link.TracepointOptions{Cookie: site.Cookie}
	}
	l, err := link.Tracepoint(site.Site.Category, site.Site.Name, s.coll.Programs[site.Entry], opts)
	if err != nil {
		return fmt.Errorf("attaching tracepoint %s:%s: %w", site.Site.Category, site.Site.Name, err)
	}
	s.keep(phaseEntry, l)
	s.watch(phaseEntry, nil, s.coll.Programs[site.Entry], site.Site.ID)
	return nil
}

func (s *Session) rawTracepointSite(site *compile.SitePlan) error {
	if err := s.rawTracepoint(site.Site.Name, site.Entry, phaseEntry); err != nil {
		return err
	}
	s.watch(phaseEntry, nil, s.coll.Programs[site.Entry], site.Site.ID)
	return nil
}

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
	s.links = append(s.links, l)
	return nil
}

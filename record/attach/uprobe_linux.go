package attach

import (
	"fmt"

	"github.com/cilium/ebpf/link"

	"probetape/record/compile"
	"probetape/schemas"
)

func (s *Session) uprobe(site *compile.SitePlan) error {
	ex, err := link.OpenExecutable(site.Site.Module)
	if err != nil {
		return fmt.Errorf("opening %q: %w", site.Site.Module, err)
	}
	opts := &link.UprobeOptions{Address: site.Site.Address, RefCtrOffset: site.RefCtr}
	if s.prog.Config.Features.Cookie {
		opts.Cookie = site.Cookie
	}
	attach := ex.Uprobe
	if site.Site.Kind == schemas.KindUretprobe {
		attach = ex.Uretprobe
	}
	l, err := attach(site.Site.Name, s.coll.Programs[site.Entry], opts)
	if err != nil {
		return fmt.Errorf("attaching %s at offset %#x of %q: %w", site.Site.Kind, site.Site.Address, site.Site.Module, err)
	}
	s.links = append(s.links, l)
	return nil
}

// uprobeMulti attaches the sites of one program and one binary by one link. The kernel takes all of them or none: where it refuses them
// together, each is tried alone.
func (s *Session) uprobeMulti(sites []*compile.SitePlan, results []SiteResult) {
	err := s.uprobeLink(sites)
	if err != nil && len(sites) > 1 {
		for _, site := range sites {
			s.uprobeMulti([]*compile.SitePlan{site}, results)
		}
		return
	}
	for _, site := range sites {
		r := &results[site.Site.ID]
		r.Err = err
		if err == nil {
			r.Mechanism = site.Mechanism
		}
	}
}

func (s *Session) uprobeLink(sites []*compile.SitePlan) error {
	first := sites[0]
	ex, err := link.OpenExecutable(first.Site.Module)
	if err != nil {
		return fmt.Errorf("opening %q: %w", first.Site.Module, err)
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
	if first.Site.Kind == schemas.KindUretprobe {
		attach = ex.UretprobeMulti
	}
	l, err := attach(nil, s.coll.Programs[first.Entry], opts)
	if err != nil {
		return fmt.Errorf("attaching %d %s sites of %q: %w", len(sites), first.Site.Kind, first.Site.Module, err)
	}
	s.links = append(s.links, l)
	return nil
}

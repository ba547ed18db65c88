package store

import (
	"maps"
	"slices"

	"probetape/schemas"
)

// lostRows counts rows that were taken and could not be written.
type lostRows struct {
	sites map[schemas.SiteID]*lostSite
}

type lostSite struct {
	count    uint64 // in all
	untold   uint64 // of them, those that the catalogue does not know of
	from, to int64  // times of the untold, [from, to)
}

func (l *lostRows) lose(site schemas.SiteID, n uint64, from, to int64) {
	if n == 0 {
		return
	}
	if l.sites == nil {
		l.sites = map[schemas.SiteID]*lostSite{}
	}
	s := l.sites[site]
	if s == nil {
		s = &lostSite{}
		l.sites[site] = s
	}
	if s.untold == 0 {
		s.from, s.to = from, to
	}
	s.from, s.to = min(s.from, from), max(s.to, to)
	s.count += n
	s.untold += n
}

// add counts the rows of a batch.
func (l *lostRows) add(b *schemas.Batch) {
	for i, site := range b.Site[:b.Len] {
		l.lose(site, 1, b.Time[i], b.Time[i]+1)
	}
}

// since counts the rows of a segment that were appended since it was last synced.
func (l *lostRows) since(s *openSegment) {
	synced := map[schemas.SiteID]uint64{}
	for _, c := range s.synced.Sites {
		synced[c.Site] = c.Rows
	}
	for _, c := range s.w.Segment().Sites {
		l.lose(c.Site, c.Rows-synced[c.Site], s.from, s.to+1)
	}
}

// take returns the losses that are not told yet, and has them told.
func (l *lostRows) take() []schemas.Loss {
	var losses []schemas.Loss
	for _, site := range slices.Sorted(maps.Keys(l.sites)) {
		s := l.sites[site]
		if s.untold == 0 {
			continue
		}
		losses = append(losses, schemas.Loss{From: s.from, To: s.to, Site: site, Count: s.untold, Reason: schemas.LossStore})
		s.untold = 0
	}
	return losses
}

// settle moves what is lost from seen to lost. The totals given are not changed.
func (l *lostRows) settle(totals []schemas.SiteTotals) []schemas.SiteTotals {
	if len(l.sites) == 0 {
		return totals
	}
	settled := slices.Clone(totals)
	for i := range settled {
		t := &settled[i]
		if s := l.sites[t.Site]; s != nil {
			n := min(s.count, t.Seen)
			t.Seen -= n
			t.Lost += n
		}
	}
	return settled
}

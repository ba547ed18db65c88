package analyze

import (
	"context"

	"probetape/analyze/report"
	"probetape/schemas"
)

// countCell counts a group's events, and those of them that returned an error.
type countCell struct{ count, errors uint64 }

// Counts counts events by group. Where the groups follow from the site alone and everything is selected, the catalogue answers, and no
// event is read.
func Counts(ctx context.Context, sources []Source, opts CountsOptions) (*report.Counts, error) {
	captures, err := open(sources, &opts.Select)
	if err != nil {
		return nil, err
	}
	keys, err := parseKeys(opts.By, captures)
	if err != nil {
		return nil, err
	}
	result := newGroups[countCell](keys)
	bySite := make([][]countCell, len(captures))
	for i, c := range captures {
		bySite[i] = make([]countCell, len(c.sites))
		if err := countCapture(ctx, c, opts.Workers, result, bySite[i]); err != nil {
			return nil, err
		}
	}
	l := newLedger(captures)
	r := &report.Counts{
		Head: report.Head{
			Schema:       SchemaCounts,
			Captures:     reportCaptures(captures),
			Window:       reportWindow(captures),
			Completeness: l.completeness(func(i int, s schemas.SiteID) uint64 { return bySite[i][s].count }),
			Notes:        keyNotes(keys, captures),
		},
		By: keyNames(keys),
	}
	return r, countRows(r, result, l, opts.Top)
}

// countCapture adds one capture's events to the groups and, for the ledger, to its sites.
func countCapture(ctx context.Context, c *capture, workers int, result *groups[countCell], bySite []countCell) error {
	add := func(values []report.Value, cell countCell) error {
		at, err := result.at(values)
		if err != nil {
			return err
		}
		at.sum.count += cell.count
		at.sum.errors += cell.errors
		return nil
	}
	if c.whole && ofSiteOnly(result.keys) {
		for _, s := range c.Segments() {
			for _, n := range s.Sites {
				if !c.wants(n.Site) || n.Rows == 0 {
					continue
				}
				cell := countCell{n.Rows, n.Errors}
				bySite[n.Site].count += n.Rows
				bySite[n.Site].errors += n.Errors
				if err := add(siteKeyValues(c, n.Site, result.keys), cell); err != nil {
					return err
				}
			}
		}
		return nil
	}
	shared, err := newClasses(c, result.keys)
	if err != nil {
		return err
	}
	base, fields := needs(result.keys)
	workersDone, err := replay(ctx, c, base|schemas.ColSite|schemas.ColErrno, fields, workers, func() (*countObserver, error) {
		g, err := shared.grouper()
		return &countObserver{g: g, sites: make([]countCell, len(c.sites))}, err
	})
	if err != nil {
		return err
	}
	for _, w := range workersDone {
		for s, cell := range w.sites {
			bySite[s].count += cell.count
			bySite[s].errors += cell.errors
		}
		cells := w.cells
		if w.g.bySite() {
			cells = w.sites
		}
		for slot, cell := range cells {
			if cell.count == 0 {
				continue
			}
			if err := add(w.g.values(uint32(slot)), cell); err != nil {
				return err
			}
		}
	}
	return nil
}

// countObserver counts one worker's rows.
type countObserver struct {
	g     *grouper
	sites []countCell // by site
	cells []countCell // by slot, where a slot is not a site
}

func (o *countObserver) observe(b *schemas.Batch) error {
	countInto(o.sites, b.Site, b.Errno)
	if o.g.bySite() {
		return nil
	}
	slots, err := o.g.slotsOf(b)
	if err != nil {
		return err
	}
	for len(o.cells) < o.g.len() {
		o.cells = append(o.cells, countCell{})
	}
	countInto(o.cells, slots, b.Errno)
	return nil
}

// countInto counts rows by their slots, which are within cells.
func countInto[S ~uint32](cells []countCell, slots []S, errnos []uint16) {
	if len(errnos) != len(slots) {
		for _, s := range slots {
			cells[s].count++
		}
		return
	}
	for i, s := range slots {
		c := &cells[s]
		c.count++
		c.errors += uint64((uint32(errnos[i]) + 0xffff) >> 16) // 1 but for 0
	}
}

// countRows makes the rows of a report, those of sites that lost everything included.
func countRows(r *report.Counts, result *groups[countCell], l *ledger, top int) error {
	lost := l.byKeys(result.keys)
	if ofSiteOnly(result.keys) {
		for _, at := range lost.sums {
			if _, err := result.at(at.values); err != nil {
				return err
			}
		}
	}
	seconds := float64(r.Window.DurationNS) / 1e9
	sorted := result.sorted(func(c *countCell) uint64 { return c.count })
	r.Rows = make([]report.CountRow, 0, min(len(sorted), keep(top, len(sorted))))
	for i, at := range sorted {
		r.Count += at.sum.count
		if i >= keep(top, len(sorted)) {
			r.More.Rows++
			r.More.Count += at.sum.count
			continue
		}
		row := report.CountRow{Count: at.sum.count, Errors: at.sum.errors, Loss: lost.of(at.values)}
		row.Table, row.Site, row.Keys = rowKeys(result.keys, at.values)
		if seconds > 0 {
			row.Rate = float64(row.Count) / seconds
		}
		r.Rows = append(r.Rows, row)
	}
	return nil
}

// keep returns how many of n rows a limit keeps.
func keep(top, n int) int {
	if top <= 0 || top > n {
		return n
	}
	return top
}

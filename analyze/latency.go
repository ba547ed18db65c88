package analyze

import (
	"context"

	"probetape/analyze/agg"
	"probetape/analyze/report"
	"probetape/schemas"
)

// denseHistograms is how many groups of a worker keep an array of all buckets, 57 KiB each; see agg.Room.
const denseHistograms = 256

// latencyCell is a group's durations.
type latencyCell struct {
	hist       agg.Histogram
	unfinished uint64
	denied     uint64
}

func (l *latencyCell) merge(o *latencyCell) {
	l.hist.Merge(&o.hist)
	l.unfinished += o.unfinished
	l.denied += o.denied
}

// seen is how many events the group has.
func (l *latencyCell) seen() uint64 {
	return l.hist.Count() + l.hist.OutOfRange() + l.unfinished + l.denied
}

// Latency gives the distribution of durations: of calls, or, with options Start and End, of the time between the events of two tables.
func Latency(ctx context.Context, sources []Source, opts LatencyOptions) (*report.Latency, error) {
	if opts.Start != "" || opts.End != "" {
		return pairLatency(ctx, sources, opts)
	}
	captures, err := open(sources, &opts.Select)
	if err != nil {
		return nil, err
	}
	keys, err := parseKeys(opts.By, captures)
	if err != nil {
		return nil, err
	}
	result := newGroups[latencyCell](keys)
	bySite := make([][]uint64, len(captures))
	for i, c := range captures {
		bySite[i] = make([]uint64, len(c.sites))
		if err := latencyCapture(ctx, c, opts.Workers, result, bySite[i]); err != nil {
			return nil, err
		}
	}
	l := newLedger(captures)
	r := &report.Latency{
		Head: report.Head{
			Schema: SchemaLatency, Captures: reportCaptures(captures), Window: reportWindow(captures),
			Completeness: l.completeness(func(i int, s schemas.SiteID) uint64 { return bySite[i][s] }),
			Notes:        keyNotes(keys, captures),
		},
		By: keyNames(keys), Error: agg.RelativeError,
	}
	if !anyCalls(captures) {
		r.Notes = append(r.Notes, "no table selected here has calls: --start TABLE --end TABLE gives the time between the events of two tables")
	}
	latencyRows(r, result, l, &opts)
	return r, nil
}

// anyCalls reports whether a selected table has durations.
func anyCalls(captures []*capture) bool {
	for _, c := range captures {
		for _, t := range c.tableIDs {
			if c.tables[t].Call {
				return true
			}
		}
	}
	return false
}

// latencyCapture adds one capture's calls to the groups and, for the ledger, to its sites.
func latencyCapture(ctx context.Context, c *capture, workers int, result *groups[latencyCell], bySite []uint64) error {
	shared, err := newClasses(c, result.keys)
	if err != nil {
		return err
	}
	base, fields := needs(result.keys)
	done, err := replay(ctx, c, base|schemas.ColSite|schemas.ColDuration|schemas.ColEnd, fields, workers, func() (*latencyObserver, error) {
		g, err := shared.grouper()
		return &latencyObserver{g: g, sites: make([]uint64, len(c.sites)), room: agg.Room{Dense: denseHistograms}}, err
	})
	if err != nil {
		return err
	}
	for _, w := range done {
		for s, n := range w.sites {
			bySite[s] += n
		}
		for slot := range w.cells {
			cell := &w.cells[slot]
			if cell.seen() == 0 {
				continue
			}
			at, err := result.at(w.g.values(uint32(slot)))
			if err != nil {
				return err
			}
			at.sum.merge(cell)
		}
	}
	return nil
}

// latencyObserver collects one worker's durations.
type latencyObserver struct {
	g     *grouper
	room  agg.Room
	sites []uint64      // events by site
	cells []latencyCell // by slot
}

func (o *latencyObserver) observe(b *schemas.Batch) error {
	for _, s := range b.Site {
		o.sites[s]++
	}
	if !b.Table.Call {
		return nil
	}
	slots := []uint32(nil)
	if !o.g.bySite() {
		var err error
		if slots, err = o.g.slotsOf(b); err != nil {
			return err
		}
	}
	for len(o.cells) < o.g.len() {
		o.cells = append(o.cells, latencyCell{})
	}
	for i, end := range b.End {
		slot := uint32(b.Site[i])
		if slots != nil {
			slot = slots[i]
		}
		cell := &o.cells[slot]
		switch end {
		case schemas.EndReturned:
			cell.hist.Record(b.Duration[i], &o.room)
		case schemas.EndDenied:
			cell.denied++
		default:
			cell.unfinished++
		}
	}
	return nil
}

// latencyRows makes the rows of a report.
func latencyRows(r *report.Latency, result *groups[latencyCell], l *ledger, opts *LatencyOptions) {
	lost := l.byKeys(result.keys)
	sorted := result.sorted(func(c *latencyCell) uint64 { return uint64(c.hist.Sum()) })
	r.Rows = make([]report.LatencyRow, 0, keep(opts.Top, len(sorted)))
	for i, at := range sorted {
		if i >= keep(opts.Top, len(sorted)) {
			r.More.Rows++
			r.More.Count += at.sum.seen()
			continue
		}
		row := latencyRow(&at.sum, opts.Buckets)
		row.Table, row.Site, row.Keys = rowKeys(result.keys, at.values)
		row.Loss = lost.of(at.values)
		r.Rows = append(r.Rows, row)
	}
}

func latencyRow(c *latencyCell, buckets bool) report.LatencyRow {
	h := &c.hist
	row := report.LatencyRow{Count: h.Count(), Sum: h.Sum(), Unfinished: c.unfinished, Denied: c.denied, OutOfRange: h.OutOfRange()}
	if h.Count() == 0 {
		return row
	}
	number := func(v int64) *int64 { return &v }
	row.Min, row.Max, row.Mean = number(h.Min()), number(h.Max()), number(mean(h))
	row.P50, row.P90 = number(h.Percentile(500)), number(h.Percentile(900))
	row.P99, row.P999 = number(h.Percentile(990)), number(h.Percentile(999))
	if buckets {
		row.Buckets = []report.Bucket{}
		h.Buckets(func(from, to int64, count uint64) {
			row.Buckets = append(row.Buckets, report.Bucket{From: from, To: to, Count: count})
		})
	}
	return row
}

// mean returns the mean of a distribution that has values.
func mean(h *agg.Histogram) int64 { return h.Sum() / int64(h.Count()) }

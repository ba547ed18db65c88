package analyze

import (
	"context"

	"probetape/analyze/agg"
	"probetape/analyze/report"
	"probetape/schemas"
)

// folded is what every label of the series is called that sums up what is over the limit.
const folded = "other"

// Prometheus gives the metrics of captures: the same, with the same buckets, that a recording serves while it runs.
func Prometheus(ctx context.Context, sources []Source, opts PrometheusOptions) (*report.Metrics, error) {
	captures, err := open(sources, &opts.Select)
	if err != nil {
		return nil, err
	}
	bounds, err := boundsOf(opts.Bounds)
	if err != nil {
		return nil, err
	}
	by := []string{"table", "site"}
	for _, k := range opts.By {
		if k != "table" && k != "site" {
			by = append(by, k)
		}
	}
	keys, err := parseKeys(by, captures)
	if err != nil {
		return nil, err
	}
	result := newGroups[metricCell](keys)
	for _, c := range captures {
		if err := metricsOf(ctx, c, opts.Workers, bounds, result); err != nil {
			return nil, err
		}
	}
	l := newLedger(captures)
	r := &report.Metrics{By: keyNames(keys)[2:], Bounds: bounds.Upper(), Incomplete: l.completeness(nil).Incomplete}
	for _, c := range captures {
		r.CPU = agg.AddSaturated(r.CPU, agg.AddSaturated(max(c.manifest.Cost.UserNS, 0), max(c.manifest.Cost.SystemNS, 0)))
	}
	metricRows(r, result, bounds, opts.MaxSeries)
	lostRows(r, captures, l)
	return r, nil
}

func metricsOf(ctx context.Context, c *capture, workers int, bounds *agg.Bounds, result *groups[metricCell]) error {
	shared, err := newClasses(c, result.keys)
	if err != nil {
		return err
	}
	base, fields := needs(result.keys)
	done, err := replay(ctx, c, base|schemas.ColSite|schemas.ColDuration|schemas.ColEnd, fields, workers, func() (*metricObserver, error) {
		g, err := shared.grouper()
		return &metricObserver{g: g, bounds: bounds}, err
	})
	if err != nil {
		return err
	}
	for _, w := range done {
		for slot := range w.cells {
			if w.cells[slot].events == 0 {
				continue
			}
			at, err := result.at(w.g.values(uint32(slot)))
			if err != nil {
				return err
			}
			at.sum.merge(&w.cells[slot])
		}
	}
	return nil
}

// metricObserver collects one worker's metrics.
type metricObserver struct {
	g      *grouper
	bounds *agg.Bounds
	cells  []metricCell
}

func (o *metricObserver) observe(b *schemas.Batch) error {
	if o.g.bySite() {
		for len(o.cells) < o.g.len() {
			o.cells = append(o.cells, metricCell{})
		}
		observeInto(o.cells, b.Site, b, o.bounds)
		return nil
	}
	slots, err := o.g.slotsOf(b)
	if err != nil {
		return err
	}
	for len(o.cells) < o.g.len() {
		o.cells = append(o.cells, metricCell{})
	}
	observeInto(o.cells, slots, b, o.bounds)
	return nil
}

// observeInto adds a batch's rows to cells by their slots.
func observeInto[S ~uint32](cells []metricCell, slots []S, b *schemas.Batch, bounds *agg.Bounds) {
	if !b.Table.Call {
		for _, s := range slots {
			cells[s].events++
		}
		return
	}
	for i, s := range slots {
		c := &cells[s]
		c.events++
		c.call = true
		if b.End[i] == schemas.EndReturned {
			c.observe(b.Duration[i], bounds)
		}
	}
}

// seriesOf is how many time series a set of labels makes: a counter, and a histogram with its buckets, sum and count.
func seriesOf(c *metricCell, bounds *agg.Bounds) int {
	if c.call {
		return 1 + bounds.Len() + 2
	}
	return 1
}

// metricRows makes the rows, those with the most events first to be kept.
func metricRows(r *report.Metrics, result *groups[metricCell], bounds *agg.Bounds, maxSeries int) {
	if maxSeries <= 0 {
		maxSeries = DefaultMaxSeries
	}
	sorted := result.sorted(func(c *metricCell) uint64 { return c.events })
	left := maxSeries
	var rest metricCell
	for _, at := range sorted {
		if left -= seriesOf(&at.sum, bounds); left < 0 {
			left = 0
			r.Folded++
			rest.merge(&at.sum)
			continue
		}
		row := metricRow(&at.sum, bounds)
		row.Table, row.Site = at.values[0].Text, at.values[1].Text
		for _, v := range at.values[2:] {
			row.Labels = append(row.Labels, string(v.AppendTo(nil)))
		}
		r.Rows = append(r.Rows, row)
	}
	if r.Folded > 0 {
		row := metricRow(&rest, bounds)
		row.Table, row.Site = folded, folded
		for range r.By {
			row.Labels = append(row.Labels, folded)
		}
		r.Rows = append(r.Rows, row)
	}
	r.Sort()
}

func metricRow(c *metricCell, bounds *agg.Bounds) report.MetricRow {
	row := report.MetricRow{Events: c.events, Call: c.call, Sum: c.sum, Buckets: c.buckets}
	if len(row.Buckets) == 0 {
		row.Buckets = make([]uint64, bounds.Len())
	}
	return row
}

// lostRows tells the losses of the sites, by site alone: which of a site's other labels the lost events had, nobody knows.
func lostRows(r *report.Metrics, captures []*capture, l *ledger) {
	type name struct{ table, site string }
	lost := map[name]uint64{}
	for i, c := range captures {
		for s, loss := range l.sites[i] {
			if c.wants(schemas.SiteID(s)) {
				key := name{c.tables[c.sites[s].Table].Name, c.labels[s]}
				lost[key] = addCount(lost[key], addCount(loss.lost, loss.missed))
			}
		}
	}
	shown := map[name]bool{}
	for i := range r.Rows {
		shown[name{r.Rows[i].Table, r.Rows[i].Site}] = true
	}
	var rest uint64
	for key, n := range lost {
		switch {
		case n > 0 || shown[key]:
			r.Lost = append(r.Lost, report.MetricLost{Table: key.table, Site: key.site, Count: n})
		default:
			rest += n
		}
	}
	if r.Folded > 0 {
		r.Lost = append(r.Lost, report.MetricLost{Table: folded, Site: folded, Count: rest})
	}
	r.Sort()
}

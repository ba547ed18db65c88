package analyze

import (
	"fmt"
	"io"
	"sync"

	"probetape/analyze/agg"
	"probetape/analyze/render/prom"
	"probetape/analyze/report"
	"probetape/schemas"
)

// MetricsOptions are the options of NewMetrics.
type MetricsOptions struct {
	Bounds    []int64 // nil: DefaultBounds
	MaxSeries int     // 0: DefaultMaxSeries
}

// Metrics are live metrics of a recording: a record.Observer. WriteTo may be called at any time from any goroutine.
//
// A site has series of its own from its first event on. Which sites are folded for the limit of series is decided then, too, once and for
// all: a counter that moved between labels would look like one that was reset.
type Metrics struct {
	bounds *agg.Bounds
	tables []schemas.Table
	sites  []schemas.Site
	labels []string

	mu     sync.Mutex
	cells  []metricCell // by site
	series []series     // by site
	left   int
	totals []schemas.SiteTotals
	cost   schemas.Cost
}

type series uint8

const (
	seriesNone series = iota // no event yet
	seriesOwn
	seriesFolded
)

// NewMetrics makes the metrics of a recording with these tables and sites.
func NewMetrics(tables []schemas.Table, sites []schemas.Site, opts MetricsOptions) (*Metrics, error) {
	bounds, err := boundsOf(opts.Bounds)
	if err != nil {
		return nil, err
	}
	m := &Metrics{
		bounds: bounds, tables: tables, sites: sites, labels: siteLabels(tables, sites),
		cells: make([]metricCell, len(sites)), series: make([]series, len(sites)), left: opts.MaxSeries,
	}
	if m.left <= 0 {
		m.left = DefaultMaxSeries
	}
	return m, nil
}

// Observe takes a batch of rows.
func (m *Metrics) Observe(b *schemas.Batch) {
	m.mu.Lock()
	defer m.mu.Unlock()
	observeInto(m.cells, b.Site[:b.Len], b, m.bounds)
	for _, s := range b.Site[:b.Len] {
		if m.series[s] == seriesNone {
			m.place(s)
		}
	}
}

// place gives a site series of its own while there is room.
func (m *Metrics) place(s schemas.SiteID) {
	need := seriesOf(&m.cells[s], m.bounds)
	if need > m.left {
		m.series[s] = seriesFolded
		return
	}
	m.left -= need
	m.series[s] = seriesOwn
}

// Totals takes the ledger and what the recording cost so far.
func (m *Metrics) Totals(totals []schemas.SiteTotals, cost schemas.Cost) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.totals, m.cost = append(m.totals[:0], totals...), cost
}

// WriteTo writes the metrics in Prometheus' text format.
func (m *Metrics) WriteTo(w io.Writer) (int64, error) {
	counted := &countingWriter{w: w}
	if err := prom.Write(counted, m.report()); err != nil {
		return counted.n, fmt.Errorf("writing metrics: %w", err)
	}
	return counted.n, nil
}

// report takes the metrics as they are now.
func (m *Metrics) report() *report.Metrics {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := &report.Metrics{Bounds: m.bounds.Upper(), CPU: agg.AddSaturated(max(m.cost.UserNS, 0), max(m.cost.SystemNS, 0))}
	type name struct{ table, site string }
	rows := map[name]*metricCell{} // the places of one function share a name
	lost := map[name]uint64{}
	for s := range m.cells {
		if m.series[s] == seriesNone {
			continue
		}
		key := name{m.tables[m.sites[s].Table].Name, m.labels[s]}
		if m.series[s] == seriesFolded {
			key = name{folded, folded}
			r.Folded++
		}
		at := rows[key]
		if at == nil {
			at = &metricCell{}
			rows[key] = at
			lost[key] = 0
		}
		at.merge(&m.cells[s])
	}
	for _, t := range m.totals {
		missing := addCount(t.Lost, uint64(max(t.Missed, 0)))
		if missing == 0 {
			continue
		}
		r.Incomplete = true
		key := name{m.tables[m.sites[t.Site].Table].Name, m.labels[t.Site]}
		if m.series[t.Site] == seriesFolded {
			key = name{folded, folded}
		}
		lost[key] = addCount(lost[key], missing)
	}
	for key, cell := range rows {
		row := metricRow(cell, m.bounds)
		row.Table, row.Site = key.table, key.site
		r.Rows = append(r.Rows, row)
	}
	for key, n := range lost {
		r.Lost = append(r.Lost, report.MetricLost{Table: key.table, Site: key.site, Count: n})
	}
	r.Sort()
	return r
}

type countingWriter struct {
	w io.Writer
	n int64
}

func (c *countingWriter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

package report

import (
	"cmp"
	"slices"
)

// Metrics is what Prometheus is told of captures, or of a recording under way.
type Metrics struct {
	By         []string // labels besides table and site
	Bounds     []int64  // upper bounds of the histogram's buckets, ns; one more holds the rest
	Rows       []MetricRow
	Lost       []MetricLost
	Folded     uint64 // label sets that were summed up as one, for the limit of series
	CPU        int64  // the recorder's CPU time, ns
	Incomplete bool
}

// MetricRow is one set of labels.
type MetricRow struct {
	Table, Site string
	Labels      []string // parallel to Metrics.By
	Events      uint64
	Call        bool
	Buckets     []uint64 // parallel to Metrics.Bounds, and one more; not cumulative
	Sum         int64    // ns
}

// MetricLost is how many events of a site are missing, those that the kernel skipped included.
type MetricLost struct {
	Table, Site string
	Count       uint64
}

// Sort brings the rows into the order of their labels.
func (m *Metrics) Sort() {
	slices.SortFunc(m.Rows, func(a, b MetricRow) int {
		return cmp.Or(cmp.Compare(a.Table, b.Table), cmp.Compare(a.Site, b.Site), slices.Compare(a.Labels, b.Labels))
	})
	slices.SortFunc(m.Lost, func(a, b MetricLost) int {
		return cmp.Or(cmp.Compare(a.Table, b.Table), cmp.Compare(a.Site, b.Site))
	})
}

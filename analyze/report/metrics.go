package report

// Metrics is what Prometheus is told of captures, or of a recording under way.
type Metrics struct {
	By         []string // labels besides table and site
	Bounds     []int64  // upper bounds of the histogram's buckets, ns; one more holds the rest
	Rows       []MetricRow
	Folded     uint64 // label sets that were summed up as one, for the limit of series
	CPU        int64  // the recorder's CPU time, ns
	Incomplete bool
}

// MetricRow is one set of labels.
type MetricRow struct {
	Table, Site string
	Labels      []string // parallel to Metrics.By
	Events      uint64
	Lost        uint64
	Call        bool
	Buckets     []uint64 // parallel to Metrics.Bounds, and one more; not cumulative
	Sum         int64    // ns
}

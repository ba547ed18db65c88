package analyze

// Select says which rows an analysis is about.
type Select struct {
	From, To Moment   // points within [From, To), calls whose span overlaps it; zero: no bound
	Tables   []string // names, or globs of path.Match; none: all
	Sites    []string // names, or globs; none: all
	Workers  int      // parts replayed side by side; 0: one for each CPU
}

// CountsOptions are the options of Counts.
type CountsOptions struct {
	Select
	By  []string // nil: table, site
	Top int      // rows kept, 0: all
}

// LatencyOptions are the options of Latency.
type LatencyOptions struct {
	Select
	By      []string // nil: table, site
	Top     int      // rows kept, 0: all
	Buckets bool     // with the distribution of each row

	// Start and End name two point tables whose events are paired by Key, instead of the durations of calls.
	Start, End string
	Key        []string // fields, or tid, pid, cpu; "a=b" where the start's is called a and the end's b; none: tid
}

// EventsOptions are the options of Events.
type EventsOptions struct {
	Select
	Limit uint64 // rows, 0: all
}

// SummaryOptions are the options of Summary.
type SummaryOptions struct {
	Select
	Top int // rows of each list, 0: all
}

// PrometheusOptions are the options of Prometheus.
type PrometheusOptions struct {
	Select
	By        []string // labels besides table and site
	Bounds    []int64  // upper bounds of buckets, ns, rising; nil: DefaultBounds
	MaxSeries int      // 0: DefaultMaxSeries
}

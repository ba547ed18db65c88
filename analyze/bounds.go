package analyze

import "probetape/analyze/agg"

// DefaultMaxSeries is how many time series the metrics have at most; a server that scrapes many hosts pays for each.
const DefaultMaxSeries = 2000

// DefaultBounds are the upper bounds of the buckets of probetape_call_duration_seconds, ns: twelve buckets with the one for the rest.
func DefaultBounds() []int64 {
	return []int64{1_000, 5_000, 25_000, 100_000, 500_000, 2_500_000, 10_000_000, 50_000_000, 250_000_000, 1_000_000_000, 5_000_000_000}
}

func boundsOf(bounds []int64) (*agg.Bounds, error) {
	if bounds == nil {
		bounds = DefaultBounds()
	}
	return agg.NewBounds(bounds)
}

// metricCell is the metrics of one set of labels.
type metricCell struct {
	events  uint64
	call    bool
	sum     int64
	buckets []uint64
}

// observe adds a call's duration.
func (m *metricCell) observe(ns int64, bounds *agg.Bounds) {
	if m.buckets == nil {
		m.buckets = make([]uint64, bounds.Len())
	}
	m.buckets[bounds.Index(ns)]++
	m.sum = agg.AddSaturated(m.sum, max(ns, 0))
}

func (m *metricCell) merge(o *metricCell) {
	m.events += o.events
	m.call = m.call || o.call
	m.sum = agg.AddSaturated(m.sum, o.sum)
	if m.buckets == nil {
		m.buckets = make([]uint64, len(o.buckets))
	}
	for i, n := range o.buckets {
		m.buckets[i] += n
	}
}

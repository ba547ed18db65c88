package analyze

import (
	"context"
	"errors"
	"io"
	"iter"

	"probetape/analyze/report"
	"probetape/schemas"
)

var errAPI = errors.New("under construction")

// Summary says what there is to know about captures at first sight.
func Summary(ctx context.Context, sources []Source, opts SummaryOptions) (*report.Summary, error) {
	return nil, errAPI
}

// Latency gives the distribution of durations.
func Latency(ctx context.Context, sources []Source, opts LatencyOptions) (*report.Latency, error) {
	return nil, errAPI
}

// EventList is a list of events that is read as it is ranged over.
type EventList struct{}

// Head is what is known before the first row.
func (l *EventList) Head() *report.Events { return nil }

// Rows yields the events in the order of time. An event is valid until the next one.
func (l *EventList) Rows() iter.Seq2[*report.Event, error] { return nil }

// Tail is what is known after the last row.
func (l *EventList) Tail() *report.Tail { return nil }

// Events lists events in the order of time.
func Events(ctx context.Context, sources []Source, opts EventsOptions) (*EventList, error) {
	return nil, errAPI
}

// Prometheus gives the metrics of captures.
func Prometheus(ctx context.Context, sources []Source, opts PrometheusOptions) (*report.Metrics, error) {
	return nil, errAPI
}

// MetricsOptions are the options of NewMetrics.
type MetricsOptions struct {
	Bounds    []int64
	MaxSeries int
}

// Metrics are live metrics of a recording: a record.Observer. WriteTo may be called at any time from any goroutine.
type Metrics struct{}

// NewMetrics makes the metrics of a recording with these tables and sites.
func NewMetrics(tables []schemas.Table, sites []schemas.Site, opts MetricsOptions) *Metrics {
	return &Metrics{}
}

// Observe takes a batch of rows.
func (m *Metrics) Observe(b *schemas.Batch) {}

// Totals takes the ledger and what the recording cost so far.
func (m *Metrics) Totals(totals []schemas.SiteTotals, cost schemas.Cost) {}

// WriteTo writes the metrics in Prometheus' text format.
func (m *Metrics) WriteTo(w io.Writer) (int64, error) { return 0, errAPI }

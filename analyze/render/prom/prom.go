// Package prom renders metrics in Prometheus' text format.
//
// It imports package report and Prometheus' encoders.
package prom

import (
	"fmt"
	"io"
	"slices"
	"strings"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"probetape/analyze/report"
)

// Write renders metrics, in the format's version 0.0.4. Equal metrics give equal bytes.
func Write(w io.Writer, m *report.Metrics) error {
	enc := expfmt.NewEncoder(w, expfmt.NewFormat(expfmt.TypeTextPlain))
	for _, f := range families(m) {
		if len(f.Metric) == 0 {
			continue
		}
		if err := enc.Encode(f); err != nil {
			return fmt.Errorf("writing metric %s: %w", f.GetName(), err)
		}
	}
	return nil
}

// families returns the metric families in the order of the output.
func families(m *report.Metrics) []*dto.MetricFamily {
	events := family("probetape_events_total", "Events recorded, calls included.", dto.MetricType_COUNTER)
	durations := family("probetape_call_duration_seconds", "Durations of the calls that returned.", dto.MetricType_HISTOGRAM)
	lost := family("probetape_lost_events_total", "Events that the probes attempted and the recording lacks.", dto.MetricType_COUNTER)
	names := labelNames(m.By)
	for i := range m.Rows {
		r := &m.Rows[i]
		labels := rowLabels(r, names)
		events.Metric = append(events.Metric, &dto.Metric{Label: labels, Counter: counter(float64(r.Events))})
		if r.Call {
			durations.Metric = append(durations.Metric, &dto.Metric{Label: labels, Histogram: histogram(m.Bounds, r)})
		}
	}
	for _, l := range m.Lost {
		labels := []*dto.LabelPair{label("table", l.Table), label("site", l.Site)}
		lost.Metric = append(lost.Metric, &dto.Metric{Label: labels, Counter: counter(float64(l.Count))})
	}
	cpu := family("probetape_recorder_cpu_seconds_total", "CPU time of the recorder, without that of its probes.", dto.MetricType_COUNTER)
	cpu.Metric = []*dto.Metric{{Counter: counter(seconds(m.CPU))}}
	incomplete := family("probetape_capture_incomplete", "Whether the numbers may be short of the truth: 1 where anything was lost or cannot be read.", dto.MetricType_GAUGE)
	incomplete.Metric = []*dto.Metric{{Gauge: gauge(m.Incomplete)}}
	folded := family("probetape_folded_series", "Label sets that were summed up as one (every label is \"other\"), for the limit of series.", dto.MetricType_GAUGE)
	n := float64(m.Folded)
	folded.Metric = []*dto.Metric{{Gauge: &dto.Gauge{Value: &n}}}
	return []*dto.MetricFamily{events, durations, lost, cpu, incomplete, folded}
}

func family(name, help string, t dto.MetricType) *dto.MetricFamily {
	return &dto.MetricFamily{Name: &name, Help: &help, Type: &t}
}

func counter(v float64) *dto.Counter { return &dto.Counter{Value: &v} }

func gauge(on bool) *dto.Gauge {
	v := 0.0
	if on {
		v = 1
	}
	return &dto.Gauge{Value: &v}
}

func seconds(ns int64) float64 { return float64(ns) / 1e9 }

// histogram makes a cumulative histogram; the encoder adds the bucket of everything.
func histogram(bounds []int64, r *report.MetricRow) *dto.Histogram {
	h := &dto.Histogram{}
	var sum uint64
	for i, bound := range bounds {
		sum += r.Buckets[i]
		upTo, count := seconds(bound), sum
		h.Bucket = append(h.Bucket, &dto.Bucket{UpperBound: &upTo, CumulativeCount: &count})
	}
	sum += r.Buckets[len(bounds)]
	total := seconds(r.Sum)
	h.SampleCount, h.SampleSum = &sum, &total
	return h
}

// rowLabels returns a row's labels; names are those besides table and site.
func rowLabels(r *report.MetricRow, names []string) []*dto.LabelPair {
	labels := []*dto.LabelPair{label("table", r.Table), label("site", r.Site)}
	for i, name := range names {
		labels = append(labels, label(name, r.Labels[i]))
	}
	return labels
}

func label(name, value string) *dto.LabelPair {
	value = strings.ToValidUTF8(value, "\ufffd")
	return &dto.LabelPair{Name: &name, Value: &value}
}

// labelNames makes names of labels from those of keys: letters, digits and underscores, none of them twice.
func labelNames(by []string) []string {
	used := []string{"table", "site", "le"}
	names := make([]string, len(by))
	for i, key := range by {
		name := strings.Map(func(r rune) rune {
			if r == '_' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
				return r
			}
			return '_'
		}, key)
		if name == "" || name[0] >= '0' && name[0] <= '9' || strings.HasPrefix(name, "__") {
			name = "key_" + strings.TrimLeft(name, "_")
		}
		for slices.Contains(used, name) {
			name += "_"
		}
		used = append(used, name)
		names[i] = name
	}
	return names
}

// Package json renders reports as JSON objects, which the schemas in schemas/json describe.
//
// Integers are written as they are: those above 2^53 need a reader that does not turn them into floating point. It imports package
// report and the standard library only.
package json

import (
	"encoding/json"
	"fmt"
	"io"

	"probetape/analyze/report"
)

// Write renders a report: *report.Summary, *report.Counts or *report.Latency.
func Write(w io.Writer, r any) error {
	switch r := r.(type) {
	case *report.Counts:
		return encode(w, counts{r, rowsOf(r.Rows, countRow)})
	case *report.Latency:
		return encode(w, latency{r, rowsOf(r.Rows, latencyRow)})
	case *report.Summary:
		return encode(w, summary{r, rowsOf(r.Unfinished, callRow), rowsOf(r.Slowest, callRow)})
	}
	return fmt.Errorf("rendering JSON: a %T is no report", r)
}

// The reports with their rows made by hand: the names of a row's keys are known at run time only.
type (
	counts struct {
		*report.Counts
		Rows []json.RawMessage `json:"rows"`
	}
	latency struct {
		*report.Latency
		Rows []json.RawMessage `json:"rows"`
	}
	summary struct {
		*report.Summary
		Unfinished []json.RawMessage `json:"unfinished"`
		Slowest    []json.RawMessage `json:"slowest"`
	}
)

func encode(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("rendering JSON: %w", err)
	}
	return nil
}

func rowsOf[T any](rows []T, row func(*object, *T)) []json.RawMessage {
	out := make([]json.RawMessage, len(rows))
	for i := range rows {
		var o object
		o.open()
		row(&o, &rows[i])
		o.close()
		out[i] = o.b
	}
	return out
}

// group writes what a row is grouped by.
func group(o *object, table, site *string, keys []report.Key) {
	if table != nil {
		o.text("table", *table)
	}
	if site != nil {
		o.text("site", *site)
	}
	for _, k := range keys {
		o.value(k.Name, k.Value)
	}
}

func loss(o *object, l report.Loss) {
	o.uint("lost", l.Lost)
	o.bool("lost_exact", l.LostExact)
	o.uint("missed", l.Missed)
	o.bool("incomplete", l.Incomplete)
}

func countRow(o *object, r *report.CountRow) {
	group(o, r.Table, r.Site, r.Keys)
	o.uint("count", r.Count)
	o.uint("errors", r.Errors)
	o.float("rate_per_second", r.Rate)
	loss(o, r.Loss)
}

func latencyRow(o *object, r *report.LatencyRow) {
	group(o, r.Table, r.Site, r.Keys)
	o.uint("count", r.Count)
	o.maybe("min_ns", r.Min)
	o.maybe("p50_ns", r.P50)
	o.maybe("p90_ns", r.P90)
	o.maybe("p99_ns", r.P99)
	o.maybe("p999_ns", r.P999)
	o.maybe("max_ns", r.Max)
	o.maybe("mean_ns", r.Mean)
	o.int("sum_ns", r.Sum)
	o.uint("unfinished", r.Unfinished)
	o.uint("denied", r.Denied)
	o.uint("out_of_range", r.OutOfRange)
	if r.Buckets != nil {
		o.key("buckets")
		o.b = append(o.b, '[')
		for i, b := range r.Buckets {
			if i > 0 {
				o.b = append(o.b, ',')
			}
			inner := object{b: o.b}
			inner.open()
			inner.int("from_ns", b.From)
			inner.int("to_ns", b.To)
			inner.uint("count", b.Count)
			inner.close()
			o.b = inner.b
		}
		o.b = append(o.b, ']')
	}
	loss(o, r.Loss)
}

func callRow(o *object, r *report.CallRow) {
	o.text("capture", r.Capture)
	o.time("time", r.Time)
	o.text("table", r.Table)
	o.text("site", r.Site)
	task(o, r.NoTask, r.Comm, r.PID, r.TID)
	o.int("duration_ns", r.DurationNS)
	o.textOrNull("errno", r.Errno)
	fields(o, r.Fields)
}

// task writes whose a row is: nulls where that is not known.
func task(o *object, none bool, comm string, pid, tid uint32) {
	if none {
		o.null("comm")
		o.null("pid")
		o.null("tid")
		return
	}
	o.text("comm", comm)
	o.uint("pid", uint64(pid))
	o.uint("tid", uint64(tid))
}

// fields writes the captured fields as an object of their own: their names are the user's, and may be those of other keys.
func fields(o *object, list []report.Key) {
	o.key("fields")
	inner := object{b: o.b}
	inner.open()
	cut := false
	for _, f := range list {
		inner.value(f.Name, f.Value)
		cut = cut || f.Value.Cut
	}
	inner.close()
	o.b = inner.b
	if !cut {
		return
	}
	o.key("cut")
	o.b = append(o.b, '[')
	first := true
	for _, f := range list {
		if !f.Value.Cut {
			continue
		}
		if !first {
			o.b = append(o.b, ',')
		}
		first = false
		o.b = appendText(o.b, f.Name)
	}
	o.b = append(o.b, ']')
}

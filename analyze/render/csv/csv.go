// Package csv renders reports as comma-separated values (RFC 4180) with a header row.
//
// A spreadsheet takes a cell that begins with = + - or @ for a formula. Numbers are written as they are; a text that begins with one of these,
// or with a tab or a carriage return, gets a single quote before it.
//
// It imports package report and the standard library only.
package csv

import (
	"encoding/csv"
	"fmt"
	"io"
	"strconv"

	"probetape/analyze/report"
)

// Write renders a report: *report.Summary, *report.Counts or *report.Latency. A summary, which holds lists of different forms, is written as
// rows of section, row, key and value.
func Write(w io.Writer, r any) error {
	out := csv.NewWriter(w)
	switch r := r.(type) {
	case *report.Counts:
		counts(out, r)
	case *report.Latency:
		latency(out, r)
	case *report.Summary:
		summary(out, r)
	default:
		return fmt.Errorf("rendering CSV: a %T is no report", r)
	}
	out.Flush()
	return out.Error()
}

// row collects the cells of a row.
type row []string

func (r *row) text(s string) { *r = append(*r, defused(s)) }

func (r *row) uint(v uint64) { *r = append(*r, strconv.FormatUint(v, 10)) }

func (r *row) int(v int64) { *r = append(*r, strconv.FormatInt(v, 10)) }

func (r *row) bool(v bool) { *r = append(*r, strconv.FormatBool(v)) }

func (r *row) maybe(v *int64) {
	if v == nil {
		*r = append(*r, "")
		return
	}
	r.int(*v)
}

func (r *row) value(v report.Value) {
	s := string(v.AppendTo(nil))
	if v.Kind == report.Text || v.Kind == report.Name {
		s = defused(s)
	}
	*r = append(*r, s)
}

func (r *row) loss(l report.Loss) {
	r.uint(l.Lost)
	r.bool(l.LostExact)
	r.uint(l.Missed)
	r.bool(l.Incomplete)
}

// defused keeps a text from being taken for a formula.
func defused(s string) string {
	if s == "" {
		return s
	}
	switch s[0] {
	case '=', '+', '-', '@', '\t', '\r':
		return "'" + s
	}
	return s
}

var lossColumns = []string{"lost", "lost_exact", "missed", "incomplete"}

// write writes a row. The writer keeps its first error for Flush.
func write(out *csv.Writer, r []string) {
	if err := out.Write(r); err != nil {
		return // out.Error returns it
	}
}

func counts(out *csv.Writer, c *report.Counts) {
	write(out, append(append(append(row(nil), c.By...), "count", "errors", "rate_per_second"), lossColumns...))
	var r row
	for i := range c.Rows {
		from := &c.Rows[i]
		r = r[:0]
		for _, name := range c.By {
			r.value(report.Group(name, from.Table, from.Site, from.Keys))
		}
		r.uint(from.Count)
		r.uint(from.Errors)
		r = append(r, strconv.FormatFloat(from.Rate, 'f', -1, 64))
		r.loss(from.Loss)
		write(out, r)
	}
}

func latency(out *csv.Writer, l *report.Latency) {
	head := append(append(row(nil), l.By...), "count", "min_ns", "p50_ns", "p90_ns", "p99_ns", "p999_ns", "max_ns", "mean_ns", "sum_ns",
		"unfinished", "denied", "out_of_range")
	write(out, append(head, lossColumns...))
	var r row
	for i := range l.Rows {
		from := &l.Rows[i]
		r = r[:0]
		for _, name := range l.By {
			r.value(report.Group(name, from.Table, from.Site, from.Keys))
		}
		r.uint(from.Count)
		for _, v := range [...]*int64{from.Min, from.P50, from.P90, from.P99, from.P999, from.Max, from.Mean} {
			r.maybe(v)
		}
		r.int(from.Sum)
		r.uint(from.Unfinished)
		r.uint(from.Denied)
		r.uint(from.OutOfRange)
		r.loss(from.Loss)
		write(out, r)
	}
}

// eventColumns are those that every event has. A field of such a name is called field_NAME.
var eventColumns = []string{"time", "capture", "host", "table", "site", "comm", "pid", "tid", "cpu", "duration_ns", "end", "errno"}

// Events renders a list of events.
func Events(w io.Writer, list report.EventSource) error {
	out := csv.NewWriter(w)
	names := list.Head().Fields
	head := append(row(nil), eventColumns...)
	at := map[string]int{}
	for _, name := range names {
		at[name] = len(head)
		for _, taken := range eventColumns {
			if name == taken {
				name = "field_" + name
				break
			}
		}
		head = append(head, name)
	}
	write(out, head)
	var r row
	for e, err := range list.Rows() {
		if err != nil {
			out.Flush()
			return err
		}
		r = r[:0]
		r = append(r, e.Time.String())
		r.text(e.Capture)
		r.text(e.Host)
		r.text(e.Table)
		r.text(e.Site)
		if e.NoTask {
			r = append(r, "", "", "")
		} else {
			r.text(e.Comm)
			r.uint(uint64(e.PID))
			r.uint(uint64(e.TID))
		}
		r.uint(uint64(e.CPU))
		if e.Call {
			r.maybe(e.Duration)
			r.text(e.End)
			r.text(e.Errno)
		} else {
			r = append(r, "", "", "")
		}
		fixed := len(r)
		for range names {
			r = append(r, "")
		}
		for _, f := range e.Fields {
			if i, ok := at[f.Name]; ok {
				cell := r[:i]
				cell.value(f.Value)
			}
		}
		r = r[:fixed+len(names)]
		write(out, r)
	}
	out.Flush()
	return out.Error()
}

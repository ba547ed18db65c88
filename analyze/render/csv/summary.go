package csv

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"strconv"

	"probetape/analyze/report"
)

// summary writes a summary as section, row, key, value: its lists have columns of their own each.
func summary(out *csv.Writer, s *report.Summary) {
	write(out, []string{"section", "row", "key", "value"})
	section(out, "head", 0, s.Head)
	list(out, "recordings", s.Recordings)
	list(out, "blocked", s.Blocked)
	calls(out, "unfinished", s.Unfinished)
	list(out, "errors", s.Errors)
	calls(out, "slowest", s.Slowest)
	list(out, "sites", s.Sites)
	list(out, "waits", s.Waits)
	list(out, "points", s.Points)
}

func list[T any](out *csv.Writer, name string, rows []T) {
	for i := range rows {
		section(out, name, i+1, rows[i])
	}
}

// section writes the keys that a value has in JSON, in their order.
func section(out *csv.Writer, name string, n int, v any) {
	text, err := json.Marshal(v)
	if err != nil {
		panic("rendering CSV: " + err.Error()) // report values are plain data
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	if _, err := dec.Token(); err != nil { // {
		panic("rendering CSV: " + err.Error())
	}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			panic("rendering CSV: " + err.Error())
		}
		var value any
		if err := dec.Decode(&value); err != nil {
			panic("rendering CSV: " + err.Error())
		}
		var cell row
		switch v := value.(type) {
		case nil:
			cell = row{""}
		case string:
			cell.text(v)
		case json.Number:
			cell = row{v.String()}
		case bool:
			cell.bool(v)
		default:
			inner, err := json.Marshal(v)
			if err != nil {
				panic("rendering CSV: " + err.Error())
			}
			cell = row{string(inner)}
		}
		write(out, []string{name, strconv.Itoa(n), key.(string), cell[0]})
	}
}

func calls(out *csv.Writer, name string, rows []report.CallRow) {
	for i := range rows {
		r, at := &rows[i], strconv.Itoa(i+1)
		cells := []struct {
			key   string
			value report.Value
		}{
			{"capture", text(r.Capture)}, {"time", text(r.Time.String())}, {"table", text(r.Table)}, {"site", text(r.Site)},
			{"comm", text(r.Comm)}, {"pid", number(int64(r.PID))}, {"tid", number(int64(r.TID))},
			{"duration_ns", number(r.DurationNS)}, {"errno", text(r.Errno)},
		}
		for _, c := range cells {
			var v row
			v.value(c.value)
			write(out, []string{name, at, c.key, v[0]})
		}
		for _, f := range r.Fields {
			var v row
			v.value(f.Value)
			write(out, []string{name, at, "fields." + f.Name, v[0]})
		}
	}
}

func text(s string) report.Value  { return report.Value{Kind: report.Text, Text: s} }
func number(n int64) report.Value { return report.Value{Kind: report.Int, Int: n} }

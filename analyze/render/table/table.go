// Package table renders reports for a terminal. Texts of captures are foreign: control characters never reach the terminal.
//
// It imports package report and the standard library only.
package table

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"probetape/analyze/report"
)

// Write renders a report: *report.Summary, *report.Counts or *report.Latency.
func Write(w io.Writer, r any) error {
	out := bufio.NewWriter(w)
	switch r := r.(type) {
	case *report.Counts:
		counts(out, r)
	case *report.Latency:
		latency(out, r)
	case *report.Summary:
		summary(out, r)
	default:
		return fmt.Errorf("rendering a table: a %T is no report", r)
	}
	return out.Flush()
}

// say writes formatted text. The buffer keeps its first error, and Flush returns it.
func say(w *bufio.Writer, format string, args ...any) {
	if _, err := fmt.Fprintf(w, format, args...); err != nil {
		return
	}
}

func counts(w *bufio.Writer, r *report.Counts) {
	head(w, &r.Head)
	if len(r.Rows) == 0 {
		say(w, "\nno events\n")
		return
	}
	g := newGrid(r.By, "count", "errors", "per second", "lost")
	for i := range r.Rows {
		row := &r.Rows[i]
		g.row(groupCells(r.By, row.Table, row.Site, row.Keys), number(row.Count), number(row.Errors), rate(row.Rate), lost(row.Loss))
	}
	say(w, "\n")
	g.write(w)
	more(w, r.More)
	say(w, "\n%s in all\n", plural(r.Count, "event"))
	notes(w, r.Notes)
}

func latency(w *bufio.Writer, r *report.Latency) {
	head(w, &r.Head)
	if r.Pairs != nil {
		pairing(w, r.Pairs)
	}
	if len(r.Rows) == 0 {
		say(w, "\nno durations\n")
		notes(w, r.Notes)
		return
	}
	g := newGrid(r.By, "count", "min", "p50", "p90", "p99", "p99.9", "max", "sum", "unfinished", "lost")
	anyLost := false
	for i := range r.Rows {
		row := &r.Rows[i]
		anyLost = anyLost || row.Lost > 0
		g.row(groupCells(r.By, row.Table, row.Site, row.Keys), number(row.Count), duration(row.Min), duration(row.P50), duration(row.P90),
			duration(row.P99), duration(row.P999), duration(row.Max), span(row.Sum), number(row.Unfinished), lost(row.Loss))
	}
	say(w, "\n")
	g.write(w)
	more(w, r.More)
	for i := range r.Rows {
		buckets(w, r.By, &r.Rows[i])
	}
	say(w, "\npercentiles are at most %.1f %% too high", 100*r.Error)
	if anyLost {
		say(w, "; where events were lost they are of those that were seen")
	}
	say(w, "\n")
	notes(w, r.Notes)
}

// pairing says what became of the events of two tables.
func pairing(w *bufio.Writer, p *report.Pairing) {
	say(w, "from %s to %s by %s: %s matched, of %s and %s\n", plain(p.Start), plain(p.End), plain(strings.Join(p.Key, ",")),
		plural(p.Matched, "pair"), plural(p.Starts, "start"), plural(p.Ends, "end"))
	for _, c := range []struct {
		n     uint64
		words string
	}{
		{p.StartOpen, "starts without an end until the window closed"},
		{p.StartSuperseded, "starts that the same key followed with another start"},
		{p.StartLost, "starts whose end may be among lost events"},
		{p.StartNull, "starts whose key could not be read"},
		{p.StartNoRoom, "starts left out: too many were open at once"},
		{p.EndBefore, "ends of what began before the window"},
		{p.EndLost, "ends whose start may be among lost events"},
		{p.EndUnmatched, "ends whose start had its end already"},
		{p.EndNull, "ends whose key could not be read"},
		{p.EndNoRoom, "ends whose start was left out"},
	} {
		if c.n > 0 {
			say(w, "  %s %s\n", number(c.n), c.words)
		}
	}
}

// barWidth is the length of the longest bar of a distribution.
const barWidth = 40

// buckets draws a row's distribution, a line for each power of two.
func buckets(w *bufio.Writer, by []string, row *report.LatencyRow) {
	if len(row.Buckets) == 0 {
		return
	}
	type bar struct {
		from, to int64
		count    uint64
	}
	var bars []bar
	most := uint64(0)
	for _, b := range row.Buckets {
		low := int64(1)
		for low <= b.From/2 {
			low *= 2
		}
		if n := len(bars); n == 0 || bars[n-1].from != low {
			bars = append(bars, bar{from: low, to: 2*low - 1})
		}
		last := &bars[len(bars)-1]
		last.count += b.Count
		most = max(most, last.count)
	}
	say(w, "\n%s\n", strings.Join(groupCells(by, row.Table, row.Site, row.Keys), " "))
	g := &grid{cols: []column{{right: true}, {right: true}, {}}}
	for _, b := range bars {
		length := int(float64(b.count) / float64(most) * barWidth)
		if length == 0 {
			length = 1
		}
		g.rows = append(g.rows, []string{span(b.from), number(b.count), strings.Repeat("#", length)})
	}
	g.write(w)
}

// groupCells are the cells of what a row is grouped by.
func groupCells(by []string, table, site *string, keys []report.Key) []string {
	cells := make([]string, len(by))
	for i, name := range by {
		v := report.Group(name, table, site, keys)
		if v.Kind == report.Null {
			cells[i] = "-"
			continue
		}
		cells[i] = cell(string(v.AppendTo(nil)))
	}
	return cells
}

func more(w *bufio.Writer, m report.More) {
	if m.Rows > 0 {
		say(w, "%s with %s; --top 0 shows all\n", plural(uint64(m.Rows), "more row"), plural(m.Count, "event"))
	}
}

func moreOf(w *bufio.Writer, n int) {
	if n > 0 {
		say(w, "%s; --top 0 shows all\n", plural(uint64(n), "more row"))
	}
}

func notes(w *bufio.Writer, list []string) {
	for _, n := range list {
		say(w, "note: %s\n", plain(n))
	}
}

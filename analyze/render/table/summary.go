package table

import (
	"bufio"
	"fmt"
	"strings"

	"probetape/analyze/report"
)

// summary writes what there is to know first: whether it is all there, of what, who hangs, what fails, what is slow, where the time goes.
func summary(w *bufio.Writer, s *report.Summary) {
	completeness(w, &s.Completeness)
	for i := range s.Recordings {
		recording(w, &s.Recordings[i])
	}
	if !s.Window.Whole {
		say(w, "window    %s to %s, %s\n", moment(s.Window.From), clockTime(s.Window.To), span(s.Window.DurationNS))
	}
	blocked(w, s)
	calls(w, "still running when the recording ended", s.Unfinished)
	moreOf(w, s.UnfinishedMore)
	failures(w, s)
	calls(w, "slowest calls, waits aside", s.Slowest)
	sites(w, "time by site", s.Sites, s.SitesMore)
	sites(w, "time by site, of calls that wait by design", s.Waits, s.WaitsMore)
	points(w, s.Points, s.PointsMore)
	notes(w, s.Notes)
}

func recording(w *bufio.Writer, r *report.Recording) {
	say(w, "\ncapture   %s, %s, %s\n", plain(r.Capture), plural(r.Events, "event"), size(r.Bytes))
	say(w, "host      %s, %s, kernel %s, %s, %s\n", plain(r.Host), plain(orUnknown(r.OS)), plain(r.Kernel), plain(r.Machine), plural(uint64(r.CPUs), "CPU"))
	for i, t := range r.Targets {
		label := "targets"
		if i > 0 {
			label = ""
		}
		say(w, "%-9s %s\n", label, plain(t))
	}
	say(w, "recorded  %s, for %s", moment(r.Start), span(r.DurationNS))
	switch {
	case !r.Ended:
		say(w, "; not ended: it is still running, or ended badly")
	case r.ExitStatus != nil:
		say(w, "; ended: %s with status %d", plain(r.EndReason), *r.ExitStatus)
	default:
		say(w, "; ended: %s", plain(r.EndReason))
	}
	say(w, "\ncost      recorder %s of CPU time (%s of one CPU), %s memory", span(r.CostUserNS+r.CostSystemNS), percent(r.CostShare), size(uint64(max(r.CostRSSBytes, 0))))
	if r.CostProgramNS != nil {
		say(w, ", probes %s", span(*r.CostProgramNS))
	}
	say(w, "; %s events a second", rate(r.EventsPerSec))
	if r.BytesPerEvent != nil {
		say(w, ", %s bytes each", digits(*r.BytesPerEvent))
	}
	if r.CostPerEvent != nil {
		say(w, ", %s of the recorder's CPU time each", span(int64(*r.CostPerEvent)))
	}
	say(w, "\n")
	if r.CostNote != "" {
		say(w, "          %s\n", plain(r.CostNote))
	}
	if r.StartedBefore > 0 {
		say(w, "          %s began before the recording and returned in it: they have no rows, and are no loss\n", plural(r.StartedBefore, "call"))
	}
	if r.Unread > 0 {
		say(w, "          %s could not be read and are null\n", plural(r.Unread, "value"))
	}
}

func orUnknown(s string) string {
	if s == "" {
		return "unknown system"
	}
	return s
}

// shownFrames is how much of a kernel stack tells what is waited for.
const shownFrames = 4

func blocked(w *bufio.Writer, s *report.Summary) {
	if len(s.Blocked) == 0 {
		return
	}
	say(w, "\nblocked\n")
	g := newGrid([]string{"task", "since", "state", "in", "waiting in"}, "for")
	for i := range s.Blocked {
		b := &s.Blocked[i]
		age := "-"
		if b.AgeNS != nil {
			age = span(*b.AgeNS)
			if b.AtLeast {
				age = ">=" + age
			}
		}
		in := b.Syscall
		if in != "" && len(b.Args) > 0 {
			in += "(" + strings.Join(b.Args[:min(3, len(b.Args))], ", ") + ", ...)"
		}
		where := b.Wchan
		if len(b.Stack) > 0 {
			where = strings.Join(b.Stack[:min(shownFrames, len(b.Stack))], " < ")
		}
		g.row([]string{cell(fmt.Sprintf("%s/%d", b.Comm, b.TID)), plain(b.Since), plain(b.State), cell(orDash(in)), cell(orDash(where))}, age)
	}
	g.write(w)
	moreOf(w, s.BlockedMore)
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func calls(w *bufio.Writer, title string, rows []report.CallRow) {
	if len(rows) == 0 {
		return
	}
	say(w, "\n%s\n", title)
	g := &grid{cols: []column{{head: "duration", right: true}, {head: "at"}, {head: "site"}, {head: "task"}, {head: "error"}, {head: "fields"}}}
	for i := range rows {
		r := &rows[i]
		task := "?"
		if !r.NoTask {
			task = cell(fmt.Sprintf("%s/%d", r.Comm, r.TID))
		}
		site := r.Site
		if r.Table != r.Site && r.Table != "syscall" {
			site = r.Table + " " + r.Site
		}
		var fields []string
		for _, f := range r.Fields {
			fields = append(fields, f.Name+"="+string(appendValue(nil, f.Value)))
		}
		g.rows = append(g.rows, []string{span(r.DurationNS), clockTime(r.Time), cell(site), task, plain(r.Errno), cell(strings.Join(fields, " "))})
	}
	g.write(w)
}

func failures(w *bufio.Writer, s *report.Summary) {
	if len(s.Errors) == 0 {
		return
	}
	say(w, "\nerrors\n")
	g := &grid{cols: []column{{head: "site"}, {head: "error"}, {head: "count", right: true}, {head: "of", right: true}, {head: "share", right: true}, {head: "lost", right: true}, {head: "meaning"}}}
	for i := range s.Errors {
		e := &s.Errors[i]
		g.rows = append(g.rows, []string{cell(e.Site), plain(e.Errno), number(e.Count), number(e.Of), percent(e.Share), number(e.Lost), plain(e.Text)})
	}
	g.write(w)
	moreOf(w, s.ErrorsMore)
}

func sites(w *bufio.Writer, title string, rows []report.SiteTime, left int) {
	if len(rows) == 0 {
		return
	}
	say(w, "\n%s\n", title)
	g := newGrid([]string{"table", "site"}, "count", "errors", "sum", "share", "mean", "p99", "max", "unfinished", "lost")
	for i := range rows {
		r := &rows[i]
		share := "-"
		if r.Share != nil {
			share = percent(*r.Share)
		}
		g.row([]string{cell(r.Table), cell(r.Site)}, number(r.Count), number(r.Errors), span(r.SumNS), share, duration(r.MeanNS), duration(r.P99NS),
			duration(r.MaxNS), number(r.Unfinished), siteLost(r))
	}
	g.write(w)
	moreOf(w, left)
}

func points(w *bufio.Writer, rows []report.SiteTime, left int) {
	if len(rows) == 0 {
		return
	}
	say(w, "\nevents by site\n")
	g := newGrid([]string{"table", "site"}, "count", "lost")
	for i := range rows {
		g.row([]string{cell(rows[i].Table), cell(rows[i].Site)}, number(rows[i].Count), siteLost(&rows[i]))
	}
	g.write(w)
	moreOf(w, left)
}

func siteLost(r *report.SiteTime) string {
	if r.Lost == 0 && r.Incomplete {
		return "?"
	}
	return number(r.Lost)
}

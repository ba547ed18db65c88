package analyze

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"probetape/analyze/agg"
	"probetape/analyze/errno"
	"probetape/analyze/report"
	"probetape/schemas"
)

// slowestRows is how many of the slowest and of the unfinished calls are kept where no limit is given: with every call they would be another
// list of events.
const slowestRows = 20

// Summary says what there is to know about captures at first sight.
//
//  1. Replay once, without the fields: durations, errors, the slowest and the unfinished calls.
//  2. Read the fields of those few calls.
//  3. Take from the catalogue who was blocked, how the recording went and what it cost.
func Summary(ctx context.Context, sources []Source, opts SummaryOptions) (*report.Summary, error) {
	captures, err := open(sources, &opts.Select)
	if err != nil {
		return nil, err
	}
	calls := opts.Top
	if calls <= 0 {
		calls = slowestRows
	}
	s := &summary{captures: captures, slowest: topCalls{most: calls}, unfinished: topCalls{most: calls}, bySite: map[siteName]*siteSum{}}
	seen := make([][]uint64, len(captures))
	for i, c := range captures {
		seen[i] = make([]uint64, len(c.sites))
		if err := s.replay(ctx, c, opts.Workers, seen[i]); err != nil {
			return nil, err
		}
	}
	r := &report.Summary{}
	if r.Slowest, err = s.callRows(ctx, s.slowest.sorted()); err != nil {
		return nil, err
	}
	if r.Unfinished, err = s.callRows(ctx, s.unfinished.sorted()); err != nil {
		return nil, err
	}
	r.UnfinishedMore = s.unfinished.seen - len(r.Unfinished)
	l := newLedger(captures)
	r.Head = report.Head{
		Schema: SchemaSummary, Captures: reportCaptures(captures), Window: reportWindow(captures),
		Completeness: l.completeness(func(i int, site schemas.SiteID) uint64 { return seen[i][site] }),
		Notes:        summaryNotes(captures),
	}
	s.takeLosses(l)
	for _, c := range captures {
		r.Recordings = append(r.Recordings, recording(c))
	}
	if r.Blocked, err = blockedTasks(captures); err != nil {
		return nil, err
	}
	r.Blocked, r.BlockedMore = limit(r.Blocked, opts.Top)
	r.Errors, r.ErrorsMore = limit(s.errorRows(), opts.Top)
	sites, waiting, points := s.siteRows(l.unknown)
	r.Sites, r.SitesMore = limit(sites, opts.Top)
	r.Waits, r.WaitsMore = limit(waiting, opts.Top)
	r.Points, r.PointsMore = limit(points, opts.Top)
	return r, nil
}

// limit keeps the first rows of a list, which is never nil.
func limit[T any](rows []T, top int) ([]T, int) {
	n := keep(top, len(rows))
	if rows == nil {
		rows = []T{}
	}
	return rows[:n:n], len(rows) - n
}

// summary is a summary under way.
type summary struct {
	captures   []*capture
	slowest    topCalls
	unfinished topCalls
	bySite     map[siteName]*siteSum
}

type siteName struct{ table, site string }

// siteSum is one site's sums, all captures together.
type siteSum struct {
	call       bool
	wait       bool
	count      uint64
	errors     uint64
	hist       agg.Histogram
	unfinished uint64
	byErrno    map[uint16]uint64
	lost       uint64
	incomplete bool
}

func (s *summary) replay(ctx context.Context, c *capture, workers int, seen []uint64) error {
	if _, err := c.tasksOf(); err != nil {
		return err
	}
	const base = schemas.ColSite | schemas.ColTime | schemas.ColTask | schemas.ColDuration | schemas.ColEnd | schemas.ColErrno
	done, err := replay(ctx, c, base, nil, workers, func() (*summaryObserver, error) {
		return &summaryObserver{
			c: c, sites: make([]siteSum, len(c.sites)), room: agg.Room{Dense: denseHistograms},
			slowest: topCalls{most: s.slowest.most}, unfinished: topCalls{most: s.unfinished.most},
		}, nil
	})
	if err != nil {
		return err
	}
	for _, w := range done {
		s.slowest.merge(&w.slowest)
		s.unfinished.merge(&w.unfinished)
		for i := range w.sites {
			from := &w.sites[i]
			seen[i] += from.count
			if from.count > 0 {
				s.site(c, schemas.SiteID(i)).merge(from)
			}
		}
	}
	return nil
}

// site returns the sums of a site.
func (s *summary) site(c *capture, id schemas.SiteID) *siteSum {
	table := &c.tables[c.sites[id].Table]
	key := siteName{table.Name, c.labels[id]}
	at := s.bySite[key]
	if at == nil {
		at = &siteSum{call: table.Call, wait: c.sites[id].Kind == schemas.KindSyscall && waits[c.sites[id].Name]}
		s.bySite[key] = at
	}
	return at
}

func (s *siteSum) merge(o *siteSum) {
	s.count += o.count
	s.errors += o.errors
	s.unfinished += o.unfinished
	s.hist.Merge(&o.hist)
	for n, count := range o.byErrno {
		if s.byErrno == nil {
			s.byErrno = map[uint16]uint64{}
		}
		s.byErrno[n] += count
	}
}

// summaryObserver collects one worker's sums.
type summaryObserver struct {
	c          *capture
	sites      []siteSum
	room       agg.Room
	slowest    topCalls
	unfinished topCalls
}

func (o *summaryObserver) observe(b *schemas.Batch) error {
	if !b.Table.Call {
		for _, s := range b.Site {
			o.sites[s].count++
		}
		return nil
	}
	for i, id := range b.Site {
		s := &o.sites[id]
		s.count++
		if n := b.Errno[i]; n != 0 {
			s.errors++
			if s.byErrno == nil {
				s.byErrno = map[uint16]uint64{}
			}
			s.byErrno[n]++
		}
		switch b.End[i] {
		case schemas.EndReturned:
			d := b.Duration[i]
			s.hist.Record(d, &o.room)
			if d > o.slowest.least {
				o.add(&o.slowest, b, i, d)
			}
		case schemas.EndDenied:
		case schemas.EndRunning:
			s.unfinished++
			o.add(&o.unfinished, b, i, o.c.ends-b.Time[i])
		default:
			s.unfinished++
		}
	}
	return nil
}

func (o *summaryObserver) add(list *topCalls, b *schemas.Batch, i int, age int64) {
	if list == &o.slowest && o.c.sites[b.Site[i]].Kind == schemas.KindSyscall && waits[o.c.sites[b.Site[i]].Name] {
		return // waiting long is what it is for
	}
	list.add(topCall{c: o.c, table: b.Table.ID, site: b.Site[i], task: b.Task[i], time: b.Time[i], duration: age, errno: b.Errno[i], end: b.End[i]})
}

// topCall is a call among the longest.
type topCall struct {
	c        *capture
	table    schemas.TableID
	site     schemas.SiteID
	task     schemas.TaskID
	time     int64
	duration int64
	errno    uint16
	end      schemas.End
}

// compare orders calls, the longest first, and equal ones always the same way.
func (t *topCall) compare(o *topCall) int {
	return cmp.Or(-cmp.Compare(t.duration, o.duration), cmp.Compare(t.c.Name(), o.c.Name()), cmp.Compare(t.time, o.time), cmp.Compare(t.site, o.site), cmp.Compare(t.task, o.task))
}

// topCalls are the longest calls. It keeps up to twice as many as are wanted, so that a call costs a comparison mostly.
type topCalls struct {
	most  int
	list  []topCall
	seen  int
	least int64 // what is not longer is not among them
}

func (t *topCalls) add(c topCall) {
	t.seen++
	t.list = append(t.list, c)
	if len(t.list) >= 2*t.most {
		t.cut()
	}
}

func (t *topCalls) cut() {
	slices.SortFunc(t.list, func(a, b topCall) int { return a.compare(&b) })
	if len(t.list) > t.most {
		t.list = t.list[:t.most]
	}
	if len(t.list) == t.most {
		// Equal ones are still let in: which of them is kept must not depend on their order.
		t.least = t.list[t.most-1].duration - 1
	}
}

func (t *topCalls) merge(o *topCalls) {
	t.seen += o.seen
	t.list = append(t.list, o.list...)
	t.cut()
}

func (t *topCalls) sorted() []topCall {
	t.cut()
	return t.list
}

// callRows reads the fields of some calls.
func (s *summary) callRows(ctx context.Context, calls []topCall) ([]report.CallRow, error) {
	rows := make([]report.CallRow, 0, len(calls))
	for i := range calls {
		c := &calls[i]
		row := report.CallRow{
			Capture: c.c.Name(), Time: c.c.utc(c.time), Table: c.c.tables[c.table].Name, Site: c.c.labels[c.site], DurationNS: c.duration,
		}
		if c.errno != 0 {
			row.Errno = errno.Name(c.errno)
		}
		if t := c.c.taskTable.at(c.task); t != nil {
			row.Comm, row.PID, row.TID = validUTF8([]byte(commAt(t, c.time))), t.PID, t.TID
		} else {
			row.NoTask = true
		}
		if err := s.callFields(ctx, c, &row); err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// callFields finds a call again, by its start, and reads its fields.
func (s *summary) callFields(ctx context.Context, call *topCall, row *report.CallRow) error {
	table := &call.c.tables[call.table]
	if len(table.Fields) == 0 {
		return nil
	}
	readers, err := fieldReaders(call.c, table)
	if err != nil {
		return err
	}
	names := make([]string, len(table.Fields))
	for i, f := range table.Fields {
		names[i] = f.Name
	}
	narrow := *call.c
	narrow.from, narrow.to, narrow.tableIDs = call.time, addTime(call.time, 1), []schemas.TableID{call.table}
	found := false
	const base = schemas.ColSite | schemas.ColTime | schemas.ColTask
	_, err = replay(ctx, &narrow, base, names, 1, func() (observerFunc, error) {
		return func(b *schemas.Batch) error {
			for i := range b.Len {
				if !found && b.Time[i] == call.time && b.Site[i] == call.site && b.Task[i] == call.task {
					found = true
					row.Fields = appendFields(nil, readers, b, i, row.PID)
				}
			}
			return nil
		}, nil
	})
	return err
}

// takeLosses lays the losses to the sites by their names, those of sites without any event included.
func (s *summary) takeLosses(l *ledger) {
	for i, c := range l.captures {
		for id, loss := range l.sites[i] {
			if loss == (siteLoss{}) {
				continue
			}
			at := s.site(c, schemas.SiteID(id))
			at.lost = addCount(at.lost, loss.lost)
			at.incomplete = true
		}
	}
}

// errorRows lists the errors, the most frequent first.
func (s *summary) errorRows() []report.ErrorRow {
	rows := []report.ErrorRow{}
	for name, at := range s.bySite {
		for n, count := range at.byErrno {
			rows = append(rows, report.ErrorRow{
				Table: name.table, Site: name.site, Errno: errno.Name(n), Text: errno.Text(n),
				Count: count, Of: at.count, Share: float64(count) / float64(at.count), Lost: at.lost,
			})
		}
	}
	slices.SortFunc(rows, func(a, b report.ErrorRow) int {
		return cmp.Or(-cmp.Compare(a.Count, b.Count), cmp.Compare(a.Table, b.Table), cmp.Compare(a.Site, b.Site), cmp.Compare(a.Errno, b.Errno))
	})
	return rows
}

// siteRows lists the sites: calls by the time they took, waits apart, and points by their number.
func (s *summary) siteRows(unknown bool) (sites, waiting, points []report.SiteTime) {
	for name, at := range s.bySite {
		row := report.SiteTime{
			Table: name.table, Site: name.site, Count: at.count, Errors: at.errors, SumNS: at.hist.Sum(), Unfinished: at.unfinished,
			Lost: at.lost, Incomplete: at.incomplete || unknown,
		}
		if at.hist.Count() > 0 {
			number := func(v int64) *int64 { return &v }
			row.MeanNS, row.P99NS, row.MaxNS = number(mean(&at.hist)), number(at.hist.Percentile(990)), number(at.hist.Max())
		}
		switch {
		case !at.call:
			points = append(points, row)
		case at.wait:
			waiting = append(waiting, row)
		default:
			sites = append(sites, row)
		}
	}
	byTime := func(a, b report.SiteTime) int {
		return cmp.Or(-cmp.Compare(a.SumNS, b.SumNS), -cmp.Compare(a.Count, b.Count), cmp.Compare(a.Table, b.Table), cmp.Compare(a.Site, b.Site))
	}
	for _, list := range [][]report.SiteTime{sites, waiting, points} {
		slices.SortFunc(list, byTime)
		var sum float64
		for i := range list {
			sum += float64(list[i].SumNS)
		}
		for i := range list {
			if sum > 0 {
				share := float64(list[i].SumNS) / sum
				list[i].Share = &share
			}
		}
	}
	return sites, waiting, points
}

// recording describes how a capture was made, and what that cost.
func recording(c *capture) report.Recording {
	m := c.manifest
	r := report.Recording{
		Capture: c.Name(), Host: m.Host.Name, OS: m.Host.OS, Kernel: m.Host.Kernel, Machine: m.Host.Machine, CPUs: m.Host.CPUs,
		Tool: m.Tool.Version, Command: orEmpty(m.Command), Targets: orEmpty(m.Targets),
		Start: c.utc(m.Start), End: c.utc(c.ends), DurationNS: max(c.ends-m.Start, 0), Ended: m.Ended, EndReason: m.EndReason, ExitStatus: m.ExitStatus,
		CostUserNS: m.Cost.UserNS, CostSystemNS: m.Cost.SystemNS, CostRSSBytes: m.Cost.MaxRSS, CostNote: m.Cost.Note,
	}
	for _, s := range c.Segments() {
		r.Events += s.Rows
		r.Bytes += s.Bytes
	}
	for _, t := range c.Totals() {
		r.StartedBefore += t.StartedBefore
		r.Unread += t.Unread
	}
	cpu := float64(m.Cost.UserNS) + float64(m.Cost.SystemNS)
	if seconds := float64(r.DurationNS) / 1e9; seconds > 0 {
		r.CostShare = cpu / 1e9 / seconds
		r.EventsPerSec = float64(r.Events) / seconds
	}
	if m.Cost.ProgramRuns >= 0 && m.Cost.ProgramNS >= 0 {
		program := m.Cost.ProgramNS
		r.CostProgramNS = &program
	}
	if r.Events > 0 {
		perEvent, bytes := cpu/float64(r.Events), float64(r.Bytes)/float64(r.Events)
		r.CostPerEvent, r.BytesPerEvent = &perEvent, &bytes
	}
	return r
}

func orEmpty(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

// summaryNotes are the recorder's own warnings: what was not attached, what was detached, and why.
func summaryNotes(captures []*capture) []string {
	notes := []string{}
	for _, c := range captures {
		for _, e := range c.Log() {
			if e.Level != schemas.LogWarn && e.Level != schemas.LogError {
				continue
			}
			text := e.Text
			if len(captures) > 1 {
				text = fmt.Sprintf("%s: %s", c.Name(), text)
			}
			if !slices.Contains(notes, text) {
				notes = append(notes, text)
			}
		}
	}
	return notes
}

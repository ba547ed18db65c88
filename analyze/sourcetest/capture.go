// Package sourcetest makes captures in memory, for tests of analyses: rows in, an analyze.Source out that does what a capture on disk is
// allowed to do, and no more.
//
// It imports schemas only; tests of other packages may use it.
package sourcetest

import (
	"context"
	"fmt"
	"iter"
	"slices"

	"probetape/schemas"
)

// Capture is a capture in memory. Its exported fields are what the Source's methods return; rows are added by Append.
type Capture struct {
	CaptureName string
	Man         schemas.Manifest
	TableList   []schemas.Table
	SiteList    []schemas.Site
	TaskList    []schemas.Task
	StackList   []schemas.Stack
	SymbolList  []schemas.Symbol
	LossList    []schemas.Loss
	TotalList   []schemas.SiteTotals
	ClockList   []schemas.ClockSample
	BlockedList []schemas.Blocked
	LogList     []schemas.LogEntry
	DamageList  []schemas.Damage

	// Found is damage that reading finds: it is listed after the first Parts.
	Found []schemas.Damage

	BatchRows      int // rows of a batch; 0: 50
	SegmentBatches int // batches of a segment; 0: 3

	Rows     []Row // in the order in which they were written
	segments []segment
	read     bool
}

// Row is one row, of the table that its site is of.
type Row struct {
	Time     int64
	CPU      uint16
	Task     schemas.TaskID
	Site     schemas.SiteID
	Duration int64
	End      schemas.End
	Errno    uint16
	Fields   []any // int64, string, nil (could not be read), Cut
}

// Cut is a text that was longer than what was kept.
type Cut string

type segment struct {
	schemas.Segment
	batches []*schemas.Batch
}

// Table adds a table and returns its id.
func (c *Capture) Table(t schemas.Table) schemas.TableID {
	t.ID = schemas.TableID(len(c.TableList))
	c.TableList = append(c.TableList, t)
	return t.ID
}

// Site adds a site and returns its id.
func (c *Capture) Site(s schemas.Site) schemas.SiteID {
	s.ID = schemas.SiteID(len(c.SiteList))
	c.SiteList = append(c.SiteList, s)
	return s.ID
}

// Task adds a task and returns its id.
func (c *Capture) Task(t schemas.Task) schemas.TaskID {
	t.ID = schemas.TaskID(len(c.TaskList))
	c.TaskList = append(c.TaskList, t)
	return t.ID
}

// Append writes rows, and keeps the catalogue in step.
func (c *Capture) Append(rows ...Row) {
	for i := range rows {
		c.append(&rows[i])
	}
	c.Rows = append(c.Rows, rows...)
}

func (c *Capture) append(r *Row) {
	s := c.segmentFor(c.SiteList[r.Site].Table)
	b := s.batches[len(s.batches)-1]
	b.Time, b.CPU, b.Task, b.Site = append(b.Time, r.Time), append(b.CPU, r.CPU), append(b.Task, r.Task), append(b.Site, r.Site)
	end := r.Time
	if b.Table.Call {
		b.Duration, b.End, b.Errno = append(b.Duration, r.Duration), append(b.End, r.End), append(b.Errno, r.Errno)
		end += r.Duration
		if r.End == schemas.EndRunning {
			end = max(end, c.Man.End)
		}
	}
	for i := range b.Columns {
		appendValue(&b.Columns[i], r.Fields[i], b.Len)
	}
	b.Len++
	s.Rows++
	if s.Rows == 1 {
		s.MinTime, s.MaxTime, s.MaxEnd = r.Time, r.Time, end
	}
	s.MinTime, s.MaxTime, s.MaxEnd = min(s.MinTime, r.Time), max(s.MaxTime, r.Time), max(s.MaxEnd, end)
	at := slices.IndexFunc(s.Sites, func(n schemas.SiteCount) bool { return n.Site == r.Site })
	if at < 0 {
		at = len(s.Sites)
		s.Sites = append(s.Sites, schemas.SiteCount{Site: r.Site})
	}
	s.Sites[at].Rows++
	if r.Errno != 0 {
		s.Sites[at].Errors++
	}
}

func appendValue(col *schemas.Column, v any, row int) {
	switch v := v.(type) {
	case int64:
		col.Ints = append(col.Ints, v)
	case string:
		col.Data = append(col.Data, v...)
		col.Offs = append(col.Offs, uint32(len(col.Data)))
	case Cut:
		appendValue(col, string(v), row)
		col.Cut = col.Cut.Set(row)
	case nil:
		col.Null = col.Null.Set(row)
		if len(col.Offs) > 0 {
			col.Offs = append(col.Offs, uint32(len(col.Data)))
		} else {
			col.Ints = append(col.Ints, 0)
		}
	default:
		panic(fmt.Sprintf("a field's value is a %T", v))
	}
}

// segmentFor returns the table's open segment, with room in its last batch.
func (c *Capture) segmentFor(t schemas.TableID) *segment {
	rows, batches := c.BatchRows, c.SegmentBatches
	if rows == 0 {
		rows = 50
	}
	if batches == 0 {
		batches = 3
	}
	for i := range slices.Backward(c.segments) {
		s := &c.segments[i]
		if s.Table != t {
			continue
		}
		if s.batches[len(s.batches)-1].Len < rows {
			return s
		}
		if len(s.batches) < batches {
			s.addBatch(&c.TableList[t])
			return s
		}
		break
	}
	n := uint64(len(c.segments) + 1)
	c.segments = append(c.segments, segment{Segment: schemas.Segment{ID: n, Table: t, File: fmt.Sprintf("events/%06d.arrows", n), Bytes: 4096, Sealed: true}})
	s := &c.segments[len(c.segments)-1]
	s.addBatch(&c.TableList[t])
	return s
}

func (s *segment) addBatch(t *schemas.Table) {
	b := &schemas.Batch{}
	b.Reset(t)
	for i, f := range t.Fields {
		if f.Type.Text() {
			b.Columns[i].Offs = append(b.Columns[i].Offs, 0)
		}
	}
	s.batches = append(s.batches, b)
	s.Batches++
}

// Name and the methods that follow make a Capture a Source.
func (c *Capture) Name() string                       { return c.CaptureName }
func (c *Capture) Manifest() *schemas.Manifest        { return &c.Man }
func (c *Capture) Tables() []schemas.Table            { return c.TableList }
func (c *Capture) Sites() []schemas.Site              { return c.SiteList }
func (c *Capture) Tasks() ([]schemas.Task, error)     { return c.TaskList, nil }
func (c *Capture) Stacks() ([]schemas.Stack, error)   { return c.StackList, nil }
func (c *Capture) Symbols() ([]schemas.Symbol, error) { return c.SymbolList, nil }
func (c *Capture) Losses() []schemas.Loss             { return c.LossList }
func (c *Capture) Totals() []schemas.SiteTotals       { return c.TotalList }
func (c *Capture) Clock() []schemas.ClockSample       { return c.ClockList }
func (c *Capture) Blocked() []schemas.Blocked         { return c.BlockedList }
func (c *Capture) Log() []schemas.LogEntry            { return c.LogList }

// Segments returns the segments that the rows are in.
func (c *Capture) Segments() []schemas.Segment {
	list := make([]schemas.Segment, len(c.segments))
	for i := range c.segments {
		list[i] = c.segments[i].Segment
	}
	return list
}

// Damage returns what cannot be read.
func (c *Capture) Damage() []schemas.Damage {
	if c.read {
		return slices.Concat(c.DamageList, c.Found)
	}
	return c.DamageList
}

// Parts hands out each segment that a query touches. It takes every freedom that a Source has: whole batches are delivered where one row
// matches, columns that were not asked for are missing, and a batch's memory is reused for the next.
func (c *Capture) Parts(ctx context.Context, q schemas.Query) []iter.Seq2[*schemas.Batch, error] {
	c.read = true
	var parts []iter.Seq2[*schemas.Batch, error]
	for i := range c.segments {
		s := &c.segments[i]
		if q.Tables != nil && !slices.Contains(q.Tables, s.Table) {
			continue
		}
		parts = append(parts, func(yield func(*schemas.Batch, error) bool) {
			var out schemas.Batch
			for _, b := range s.batches {
				if ctx.Err() != nil || !c.touches(b, &q) {
					continue
				}
				project(&out, b, &q)
				if !yield(&out, nil) {
					return
				}
				poison(&out)
			}
		})
	}
	return parts
}

// touches reports whether any row of a batch matches.
func (c *Capture) touches(b *schemas.Batch, q *schemas.Query) bool {
	for i := range b.Len {
		end := b.Time[i]
		if b.Table.Call {
			end += b.Duration[i]
			if b.End[i] != schemas.EndReturned {
				end = c.Man.End
			}
		}
		inTime := end >= q.From && (q.To == 0 || b.Time[i] < q.To)
		if inTime && (q.Sites == nil || slices.Contains(q.Sites, b.Site[i])) {
			return true
		}
	}
	return false
}

// project copies the columns that were asked for.
func project(out, b *schemas.Batch, q *schemas.Query) {
	rows := make([]int32, b.Len)
	for i := range rows {
		rows[i] = int32(i)
	}
	out.Reset(b.Table)
	out.AppendRows(b, rows)
	drop := func(bit schemas.BaseColumns) bool { return q.Base&bit == 0 }
	if drop(schemas.ColTime) {
		out.Time = nil
	}
	if drop(schemas.ColCPU) {
		out.CPU = nil
	}
	if drop(schemas.ColTask) {
		out.Task = nil
	}
	if drop(schemas.ColSite) {
		out.Site = nil
	}
	if drop(schemas.ColDuration) {
		out.Duration = nil
	}
	if drop(schemas.ColEnd) {
		out.End = nil
	}
	if drop(schemas.ColErrno) {
		out.Errno = nil
	}
	for i, f := range b.Table.Fields {
		if !slices.Contains(q.Fields, f.Name) {
			out.Columns[i] = schemas.Column{}
		}
	}
}

// poison overwrites a batch that a reader has no right to any more.
func poison(b *schemas.Batch) {
	for i := range b.Time {
		b.Time[i] = -1
	}
	for i := range b.Site {
		b.Site[i] = ^schemas.SiteID(0)
	}
	for i := range b.Columns {
		c := &b.Columns[i]
		for j := range c.Ints {
			c.Ints[j] = -1
		}
		for j := range c.Data {
			c.Data[j] = '!'
		}
	}
}

package analyze

import (
	"math"

	"probetape/schemas"
)

// rowFilter leaves out the rows of a batch that are not selected: a source may deliver whole batches that only touch the selection.
type rowFilter struct {
	c     *capture
	tasks *taskTable // where the window is bounded: a thread's exit is the end of its last calls

	rows    []int32
	scratch schemas.Batch
}

func newRowFilter(c *capture) (*rowFilter, error) {
	f := &rowFilter{c: c}
	if c.from != math.MinInt64 {
		var err error
		if f.tasks, err = c.tasksOf(); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// worker returns a filter for another goroutine.
func (f *rowFilter) worker() *rowFilter { return &rowFilter{c: f.c, tasks: f.tasks} }

// needs returns the columns that the filter looks at.
func (f *rowFilter) needs() schemas.BaseColumns {
	var base schemas.BaseColumns
	if f.c.selected != nil {
		base |= schemas.ColSite
	}
	if f.c.from != math.MinInt64 {
		base |= schemas.ColTime | schemas.ColDuration | schemas.ColEnd | schemas.ColTask
	}
	if f.c.to != math.MaxInt64 {
		base |= schemas.ColTime
	}
	return base
}

// filter returns the batch where all its rows are selected, another one with those that are, or nil where none is.
func (f *rowFilter) filter(b *schemas.Batch) *schemas.Batch {
	c := f.c
	if !c.wantsTable(b.Table.ID) {
		return nil
	}
	if c.selected == nil && c.from == math.MinInt64 && c.to == math.MaxInt64 {
		return b
	}
	f.rows = f.rows[:0]
	for i := range b.Len {
		if (c.selected == nil || c.selected[b.Site[i]]) && f.inWindow(b, i) {
			f.rows = append(f.rows, int32(i))
		}
	}
	switch len(f.rows) {
	case 0:
		return nil
	case b.Len:
		return b
	}
	f.scratch.Reset(b.Table)
	f.scratch.AppendRows(b, f.rows)
	return &f.scratch
}

// inWindow reports whether row i is in the window: an event at a time in [from, to), a call whose span overlaps it.
func (f *rowFilter) inWindow(b *schemas.Batch, i int) bool {
	c := f.c
	if c.to != math.MaxInt64 && b.Time[i] >= c.to {
		return false
	}
	if c.from == math.MinInt64 || b.Time[i] >= c.from {
		return true
	}
	return len(b.End) > 0 && f.callEnd(b, i) > c.from
}

// callEnd returns when the call of row i ended: a call still running lasts until the recording's end. Of a call that ended otherwise than
// by returning only so much is known: a thread's exit ended its calls.
func (f *rowFilter) callEnd(b *schemas.Batch, i int) int64 {
	switch b.End[i] {
	case schemas.EndReturned:
		return addTime(b.Time[i], max(b.Duration[i], 0))
	case schemas.EndRunning:
		return f.c.ends
	case schemas.EndThreadExited:
		if t := f.tasks.at(b.Task[i]); t != nil && t.Exit > b.Time[i] {
			return t.Exit
		}
	}
	return b.Time[i]
}

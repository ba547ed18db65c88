package analyze

import (
	"context"
	"fmt"
	"iter"
	"runtime"
	"sync"
	"sync/atomic"

	"probetape/schemas"
)

// observer takes the selected rows of a capture, batch by batch. A batch is valid during the call.
type observer interface {
	observe(b *schemas.Batch) error
}

// replay hands the selected rows of a capture to observers, one of each worker, and returns them.
//
//  1. Ask the source for the parts that hold what is selected.
//  2. Each worker takes the next part that nobody has, until there is none; order between parts means nothing.
//  3. Check each batch: foreign numbers are trusted nowhere after this.
//  4. Leave out the rows that the source delivered and the selection does not want.
//  5. Hand the rest to the worker's observer.
func replay[O observer](ctx context.Context, c *capture, base schemas.BaseColumns, fields []string, workers int, newObserver func() (O, error)) ([]O, error) {
	if c.nothing {
		return nil, nil
	}
	rows, err := newRowFilter(c)
	if err != nil {
		return nil, err
	}
	base |= rows.needs()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	parts := c.Parts(ctx, c.query(base, fields)) // step 1
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	workers = min(workers, len(parts))

	observers := make([]O, workers)
	var next atomic.Int64
	var wg sync.WaitGroup
	for w := range workers {
		if observers[w], err = newObserver(); err != nil {
			cancel(err)
			break
		}
		wg.Go(func() {
			filter := rows.worker()
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1 // step 2
				if i >= len(parts) {
					return
				}
				if err := replayPart(ctx, c, parts[i], base, filter, observers[w]); err != nil {
					cancel(err)
					return
				}
			}
		})
	}
	wg.Wait()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return observers, nil
}

func replayPart(ctx context.Context, c *capture, part iter.Seq2[*schemas.Batch, error], base schemas.BaseColumns, filter *rowFilter, o observer) error {
	for b, err := range part {
		if err != nil {
			return fmt.Errorf("reading %s: %w", c.Name(), err)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if b.Len == 0 {
			continue
		}
		if err := c.checkBatch(b, base); err != nil { // step 3
			return err
		}
		if b = filter.filter(b); b == nil { // step 4
			continue
		}
		if err := o.observe(b); err != nil { // step 5
			return err
		}
	}
	return nil
}

// checkBatch refuses a batch whose columns do not fit together, or whose numbers point nowhere.
func (c *capture) checkBatch(b *schemas.Batch, base schemas.BaseColumns) error {
	invalid := func(format string, args ...any) error {
		return &InvalidError{Capture: c.Name(), Msg: "a batch " + fmt.Sprintf(format, args...)}
	}
	if b.Table == nil || int(b.Table.ID) >= len(c.tables) {
		return invalid("is of no table")
	}
	t := &c.tables[b.Table.ID]
	if !t.Call {
		base &^= schemas.ColDuration | schemas.ColEnd | schemas.ColErrno
	}
	for _, col := range [...]struct {
		bit schemas.BaseColumns
		len int
	}{
		{schemas.ColTime, len(b.Time)}, {schemas.ColCPU, len(b.CPU)}, {schemas.ColTask, len(b.Task)}, {schemas.ColSite, len(b.Site)},
		{schemas.ColDuration, len(b.Duration)}, {schemas.ColEnd, len(b.End)}, {schemas.ColErrno, len(b.Errno)},
	} {
		if base&col.bit != 0 && col.len != b.Len {
			return invalid("of table %q has %d rows and %d values in a column", t.Name, b.Len, col.len)
		}
	}
	if base&schemas.ColSite != 0 {
		last := schemas.SiteID(0)
		for _, s := range b.Site {
			last = max(last, s)
		}
		if int(last) >= len(c.sites) {
			return invalid("of table %q has events of site %d of %d", t.Name, last, len(c.sites))
		}
	}
	if base&schemas.ColEnd != 0 {
		last := schemas.End(0)
		for _, e := range b.End {
			last = max(last, e)
		}
		if int(last) >= endCount {
			return invalid("of table %q has a call with end %d", t.Name, last)
		}
	}
	if len(b.Columns) != len(t.Fields) {
		return invalid("of table %q has %d fields, want %d", t.Name, len(b.Columns), len(t.Fields))
	}
	for i := range b.Columns {
		if !columnFits(&b.Columns[i], t.Fields[i].Type, b.Len) {
			return invalid("of table %q has a field %q whose values do not fit its %d rows", t.Name, t.Fields[i].Name, b.Len)
		}
	}
	return nil
}

// endCount is how many ends of calls there are.
var endCount = len(schemas.EndNames())

// present reports whether a field's column was asked for and delivered.
func present(c *schemas.Column) bool { return len(c.Ints) > 0 || len(c.Offs) > 0 }

func columnFits(c *schemas.Column, t schemas.ColumnType, rows int) bool {
	if !present(c) {
		return true
	}
	if !t.Text() {
		return len(c.Ints) == rows
	}
	if len(c.Offs) != rows+1 || uint64(c.Offs[rows]) > uint64(len(c.Data)) {
		return false
	}
	for i := range rows {
		if c.Offs[i] > c.Offs[i+1] {
			return false
		}
	}
	return true
}

package analyze

import (
	"cmp"
	"context"
	"iter"
	"math"
	"slices"

	"probetape/schemas"
)

// A capture's rows are in the order in which they were written: calls when they ended, what interrupted a batch before it. To give them in the
// order of time with bounded memory, the time is cut into windows of so many rows at most, and each window's rows are read and sorted by
// themselves.

// The bounds of a window: rows, and the bytes that they could take.
const (
	windowRows  = 1 << 18
	windowBytes = 128 << 20
)

// orderBuckets is how finely the rows of a span are counted before it is cut into windows.
const orderBuckets = 4096

// orderedRow is a row in the order of time. Its batch is valid until the next window.
type orderedRow struct {
	time  int64 // on the clock that the captures share
	c     *capture
	batch *schemas.Batch
	row   int32
}

// ordered gives the selected rows of captures in the order of time; rows of one moment in that of the captures, tables and writing.
type ordered struct {
	captures []*capture
	aligned  []aligned
	base     schemas.BaseColumns
	fields   []string
	rows     uint64 // of a window, at most
	scratch  [][]*schemas.Batch
	list     []orderedRow
}

func newOrdered(captures []*capture, base schemas.BaseColumns, fields []string) (*ordered, error) {
	o := &ordered{captures: captures, base: base | schemas.ColTime, fields: fields, rows: windowRows}
	for _, c := range captures {
		if _, err := c.tasksOf(); err != nil { // once, not for each window
			return nil, err
		}
		o.aligned = append(o.aligned, align(c.clock, c.manifest.Start))
		o.scratch = append(o.scratch, make([]*schemas.Batch, len(c.tables)))
		for _, t := range c.tableIDs {
			largest := uint64(schemas.LayoutOf(&c.tables[t]).Max)
			o.rows = min(o.rows, max(windowBytes/largest, 1024))
		}
	}
	return o, nil
}

// aligned is a capture's clock as order needs it: it never goes back.
type aligned struct {
	clock  timeline
	offset int64
	simple bool
}

// align makes a clock that never goes back: UTC, unless the host's was set back during the recording; then the boot clock, laid to UTC at the
// start.
func align(t timeline, start int64) aligned {
	a := aligned{clock: t, offset: addTime(t.utc(start), -start)}
	for i := 1; i < len(t.samples); i++ {
		before := t.piece(i - 1)
		a.simple = a.simple || before.utc(before.to-1) > t.samples[i].Real
	}
	return a
}

func (a *aligned) time(boot int64) int64 {
	if a.simple {
		return addTime(boot, a.offset)
	}
	return a.clock.utc(boot)
}

func (a *aligned) boot(time int64) int64 {
	if a.simple {
		return addTime(time, -a.offset)
	}
	return a.clock.boot(time)
}

// each yields the rows. An error ends it.
func (o *ordered) each(ctx context.Context) iter.Seq2[orderedRow, error] {
	return func(yield func(orderedRow, error) bool) {
		from, to, some := o.span()
		if !some {
			return
		}
		o.cut(ctx, from, to, yield)
	}
}

// span returns where the selected rows can be, [from, to).
func (o *ordered) span() (from, to int64, some bool) {
	from, to = math.MaxInt64, math.MinInt64
	for i, c := range o.captures {
		if c.nothing {
			continue
		}
		for _, s := range c.Segments() {
			if s.Rows == 0 || !c.wantsTable(s.Table) {
				continue
			}
			from = min(from, o.aligned[i].time(s.MinTime))
			to = max(to, addTime(o.aligned[i].time(s.MaxTime), 1))
		}
	}
	return from, to, from < to
}

// cut yields the rows of a span, window by window. It returns false where that is to end.
func (o *ordered) cut(ctx context.Context, from, to int64, yield func(orderedRow, error) bool) bool {
	counts, width, err := o.count(ctx, from, to)
	if err != nil {
		yield(orderedRow{}, err)
		return false
	}
	for i := 0; i < len(counts); {
		start, n := i, uint64(0)
		for i < len(counts) && (i == start || n+counts[i] <= o.rows) {
			n += counts[i]
			i++
		}
		if n == 0 {
			continue
		}
		lo, hi := addTime(from, int64(start)*width), min(addTime(from, int64(i)*width), to)
		if i-start == 1 && n > o.rows && width > 1 {
			if !o.cut(ctx, lo, hi, yield) {
				return false
			}
			continue
		}
		// More rows than a window holds in one nanosecond have one time: they cannot be cut further.
		if !o.window(ctx, lo, hi, yield) {
			return false
		}
	}
	return true
}

// count counts the rows of a span by buckets of time, so many nanoseconds wide.
func (o *ordered) count(ctx context.Context, from, to int64) (counts []uint64, width int64, err error) {
	length := uint64(to) - uint64(from)
	width = int64((length + orderBuckets - 1) / orderBuckets)
	counts = make([]uint64, (length+uint64(width)-1)/uint64(width))
	err = o.read(ctx, from, to, schemas.ColTime, nil, func(at int, b *schemas.Batch) error {
		for _, boot := range b.Time {
			if t := o.aligned[at].time(boot); t >= from && t < to {
				counts[uint64(t-from)/uint64(width)]++
			}
		}
		return nil
	})
	return counts, width, err
}

// window yields the rows of [from, to), sorted.
func (o *ordered) window(ctx context.Context, from, to int64, yield func(orderedRow, error) bool) bool {
	for i := range o.scratch {
		for _, b := range o.scratch[i] {
			if b != nil {
				b.Reset(b.Table)
			}
		}
	}
	var rows []int32
	err := o.read(ctx, from, to, o.base, o.fields, func(at int, b *schemas.Batch) error {
		rows = rows[:0]
		for i, boot := range b.Time {
			if t := o.aligned[at].time(boot); t >= from && t < to {
				rows = append(rows, int32(i))
			}
		}
		kept := o.scratch[at][b.Table.ID]
		if kept == nil {
			kept = &schemas.Batch{}
			kept.Reset(&o.captures[at].tables[b.Table.ID])
			o.scratch[at][b.Table.ID] = kept
		}
		kept.AppendRows(b, rows)
		return nil
	})
	if err != nil {
		yield(orderedRow{}, err)
		return false
	}
	o.list = o.list[:0]
	for at, c := range o.captures {
		for _, b := range o.scratch[at] {
			if b == nil {
				continue
			}
			for i, boot := range b.Time {
				o.list = append(o.list, orderedRow{o.aligned[at].time(boot), c, b, int32(i)})
			}
		}
	}
	slices.SortStableFunc(o.list, func(a, b orderedRow) int { return cmp.Compare(a.time, b.time) })
	for _, r := range o.list {
		if !yield(r, nil) {
			return false
		}
	}
	return true
}

// read hands over the selected rows of a span, those that begin in it and perhaps others, one part after the other, so that their order is the
// same each time.
func (o *ordered) read(ctx context.Context, from, to int64, base schemas.BaseColumns, fields []string, fn func(at int, b *schemas.Batch) error) error {
	for at, c := range o.captures {
		if c.nothing {
			continue
		}
		narrow := *c
		narrow.from = max(c.from, o.aligned[at].boot(from))
		narrow.to = min(c.to, addTime(o.aligned[at].boot(to-1), 1))
		_, err := replay(ctx, &narrow, base, fields, 1, func() (observerFunc, error) {
			return func(b *schemas.Batch) error { return fn(at, b) }, nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// observerFunc is a function as an observer.
type observerFunc func(b *schemas.Batch) error

func (f observerFunc) observe(b *schemas.Batch) error { return f(b) }

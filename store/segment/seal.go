package segment

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"slices"

	"probetape/schemas"
)

// Sealer makes sealed segments. It reuses its memory and is not safe for concurrent use.
type Sealer struct {
	encoder *Encoder
	scanner Scanner
	rows    schemas.Batch // collected
	sorted  schemas.Batch // the same in the order of time
	order   []uint64
}

// NewSealer makes a sealer.
func NewSealer() (*Sealer, error) {
	encoder, err := NewEncoder(Zstd)
	if err != nil {
		return nil, err
	}
	return &Sealer{encoder: encoder}, nil
}

// Seal writes the rows of the sources, segments of one table, into the empty file f: batches of MaxRows rows, each sorted by time, compressed
// with zstd, and the end-of-stream marker. It syncs and closes f, also where it fails.
//
// Damage in a source is an error, unless damaged is not nil: then damaged is told, and the rest is kept. A cancelled context ends it within
// a batch; whatever the error, what is in f then is to be removed.
func (s *Sealer) Seal(ctx context.Context, f File, id Identity, sources []*Reader, damaged func(*CorruptError) error) (schemas.Segment, error) {
	w, err := s.copy(ctx, f, id, sources, damaged)
	if err != nil {
		return schemas.Segment{}, errors.Join(fmt.Errorf("sealing segment %v: %w", id, err), f.Close())
	}
	if err := w.Finish(); err != nil {
		return schemas.Segment{}, fmt.Errorf("sealing segment %v: %w", id, err)
	}
	sealed := w.Segment()
	sealed.Sealed = true
	return sealed, nil
}

func (s *Sealer) copy(ctx context.Context, f File, id Identity, sources []*Reader, damaged func(*CorruptError) error) (*Writer, error) {
	if len(sources) == 0 {
		return nil, errors.New("no source")
	}
	table := sources[0].Table()
	w, err := NewWriter(f, id, table, s.encoder)
	if err != nil {
		return nil, err
	}
	s.empty(table)
	for _, r := range sources {
		if !sameShape(table, r.Table()) {
			return nil, fmt.Errorf("segment %v is of table %q: %w", r.ID(), r.Table().Name, ErrForeign)
		}
		s.scanner.everything(r.layout)
		s.scanner.walker.begin(r)
		for {
			b, err := s.scanner.next(ctx, &schemas.Query{})
			if err == io.EOF {
				break
			}
			if corrupt, ok := errors.AsType[*CorruptError](err); ok && damaged != nil {
				err = damaged(corrupt)
				if err == nil {
					continue
				}
			}
			if err != nil {
				return nil, err
			}
			if err := s.add(w, b); err != nil {
				return nil, err
			}
		}
	}
	return w, s.flush(w)
}

func (s *Sealer) empty(t *schemas.Table) {
	s.rows.Reset(t)
	for i := range t.Fields {
		if t.Fields[i].Type.Text() {
			s.rows.Columns[i].Offs = append(s.rows.Columns[i].Offs, 0)
		}
	}
}

// add collects a batch's rows, and writes what is full.
func (s *Sealer) add(w *Writer, b *schemas.Batch) error {
	for from := 0; from < b.Len; {
		to := min(b.Len, from+MaxRows-s.rows.Len)
		if s.rows.Len > 0 && plainSize(w.layout, &s.rows, 0, s.rows.Len)+plainSize(w.layout, b, from, to) > MaxBatchBytes {
			to = from
		}
		appendRows(&s.rows, b, from, to)
		from = to
		if from < b.Len || s.rows.Len == MaxRows {
			if err := s.flush(w); err != nil {
				return err
			}
		}
	}
	return nil
}

// flush sorts and writes what is collected.
func (s *Sealer) flush(w *Writer) error {
	b := &s.rows
	if !slices.IsSorted(b.Time) {
		s.sort()
		b = &s.sorted
	}
	if err := w.Append(b); err != nil {
		return err
	}
	s.empty(s.rows.Table)
	return nil
}

// appendRows appends rows from to to-1 of b, which has all columns.
func appendRows(dst, b *schemas.Batch, from, to int) {
	at := dst.Len
	dst.Len += to - from
	dst.Time = append(dst.Time, b.Time[from:to]...)
	dst.CPU = append(dst.CPU, b.CPU[from:to]...)
	dst.Task = append(dst.Task, b.Task[from:to]...)
	dst.Site = append(dst.Site, b.Site[from:to]...)
	if b.Table.Call {
		dst.Duration = append(dst.Duration, b.Duration[from:to]...)
		dst.End = append(dst.End, b.End[from:to]...)
		dst.Errno = append(dst.Errno, b.Errno[from:to]...)
	}
	for i := range b.Columns {
		d, c := &dst.Columns[i], &b.Columns[i]
		if len(c.Offs) > 0 {
			base := uint32(len(d.Data)) - c.Offs[from]
			for _, o := range c.Offs[from+1 : to+1] {
				d.Offs = append(d.Offs, base+o)
			}
			d.Data = append(d.Data, c.Data[c.Offs[from]:c.Offs[to]]...)
		} else {
			d.Ints = append(d.Ints, c.Ints[from:to]...)
		}
		d.Null = appendBits(d.Null, at, c.Null, from, to)
		d.Cut = appendBits(d.Cut, at, c.Cut, from, to)
	}
}

// appendBits sets the rows from at on that are set in b from row from on.
func appendBits(dst schemas.Bitmap, at int, b schemas.Bitmap, from, to int) schemas.Bitmap {
	for w := from >> 6; w < len(b) && w<<6 < to; w++ {
		for word := b[w]; word != 0; word &= word - 1 {
			if i := w<<6 + bits.TrailingZeros64(word); i >= from && i < to {
				dst = dst.Set(at + i - from)
			}
		}
	}
	return dst
}

// sort fills sorted with the collected rows in the order of time; rows of the same time keep their order.
func (s *Sealer) sort() {
	b, d := &s.rows, &s.sorted
	s.sortOrder()
	d.Reset(b.Table)
	d.Len = b.Len
	d.Time = gather(d.Time, b.Time, s.order)
	d.CPU = gather(d.CPU, b.CPU, s.order)
	d.Task = gather(d.Task, b.Task, s.order)
	d.Site = gather(d.Site, b.Site, s.order)
	if b.Table.Call {
		d.Duration = gather(d.Duration, b.Duration, s.order)
		d.End = gather(d.End, b.End, s.order)
		d.Errno = gather(d.Errno, b.Errno, s.order)
	}
	for i := range b.Columns {
		from, to := &b.Columns[i], &d.Columns[i]
		if len(from.Offs) > 0 {
			to.Offs = append(to.Offs, 0)
			for _, row := range s.order {
				to.Data = append(to.Data, from.Bytes(int(row))...)
				to.Offs = append(to.Offs, uint32(len(to.Data)))
			}
		} else {
			to.Ints = gather(to.Ints, from.Ints, s.order)
		}
		to.Null = gatherBits(to.Null, from.Null, s.order)
		to.Cut = gatherBits(to.Cut, from.Cut, s.order)
	}
}

// rowBits is how many bits a row's number has.
const rowBits = 16

// sortOrder fills order with the rows' numbers in the order of time. A key is the time since the least and the row's number, so that keys are
// all different and any sort of them is a stable one. Where the times of one batch span more than 78 hours, the keys are too small.
func (s *Sealer) sortOrder() {
	times := s.rows.Time
	s.order = resize(s.order, len(times))
	least := slices.Min(times)
	if slices.Max(times)-least >= 1<<(64-rowBits) {
		for i := range s.order {
			s.order[i] = uint64(i)
		}
		slices.SortStableFunc(s.order, func(a, b uint64) int {
			switch {
			case times[a] < times[b]:
				return -1
			case times[a] > times[b]:
				return 1
			}
			return 0
		})
		return
	}
	for i, t := range times {
		s.order[i] = uint64(t-least)<<rowBits | uint64(i)
	}
	slices.Sort(s.order)
	for i := range s.order {
		s.order[i] &= 1<<rowBits - 1
	}
}

func gather[T any](dst, src []T, order []uint64) []T {
	dst = resize(dst, len(order))
	for i, row := range order {
		dst[i] = src[row]
	}
	return dst
}

func gatherBits(dst, src schemas.Bitmap, order []uint64) schemas.Bitmap {
	if !anySet(src, 0, len(order)) {
		return dst
	}
	for i, row := range order {
		if src.Get(int(row)) {
			dst = dst.Set(i)
		}
	}
	return dst
}

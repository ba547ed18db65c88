package segment

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/bits"

	"probetape/schemas"
)

// decoder turns the stored columns of one batch after another into Go slices, in memory that it reuses.
type decoder struct {
	memory schemas.Batch // of the columns
	out    schemas.Batch // what is handed on: those that were asked for
	stored []byte
	plain  []byte
	decomp decompressor
}

// A run is columns that are read at once: those from first to last, which takes the bytes from from to to of the body.
type run struct {
	first, last int
	from, to    int64
}

// gap is how many bytes that nobody wants are rather read than left out by another read.
const gap = 4 << 10

var (
	errValidity = errors.New("the validity bitmap is wrong")
	errOffsets  = errors.New("the offsets are not in order")
	errRange    = errors.New("a value is out of range")
	errTooLarge = errors.New("the batch is too large")
)

// decode reads the wanted columns of a batch. The error is one of the reading itself, or what is wrong with the batch.
func (d *decoder) decode(r *Reader, e *Entry, wanted []bool) error {
	t := r.layout.table
	if d.out.Table != t {
		d.memory.Reset(t)
	}
	d.out = schemas.Batch{Table: t, Len: e.Rows, Columns: resize(d.out.Columns, len(t.Fields))}
	clear(d.out.Columns)
	for next := 0; ; {
		run, ok := nextRun(r.layout, e, wanted, next)
		if !ok {
			return d.checkTimes()
		}
		next = run.last + 1
		d.stored = resize(d.stored, int(run.to-run.from))
		if len(d.stored) > 0 {
			if n, err := r.r.ReadAt(d.stored, e.body+run.from); n < len(d.stored) {
				if err == nil || err == io.EOF {
					err = errTorn
				}
				return err
			}
		}
		b := batchReader{decoder: d, entry: e, run: run}
		for i := run.first; i <= run.last; i++ {
			if !wanted[i] {
				continue
			}
			c := &r.layout.columns[i]
			if err := b.column(c, e.nulls[i]); err != nil {
				return fmt.Errorf("column %q: %w", c.name, err)
			}
		}
	}
}

// nextRun finds the wanted columns that are read at once, from column i on; not ok: there are no more.
func nextRun(l *layout, e *Entry, wanted []bool, i int) (r run, ok bool) {
	for i < len(wanted) && !wanted[i] {
		i++
	}
	if i == len(wanted) {
		return run{}, false
	}
	span := func(i int) (from, to int64) {
		first, last := e.buffers[l.columns[i].buffer], e.buffers[l.columns[i].buffer+l.columns[i].buffers()-1]
		return first.offset, last.offset + padded(last.length)
	}
	r = run{first: i, last: i}
	r.from, r.to = span(i)
	for i++; i < len(wanted); i++ {
		if !wanted[i] {
			continue
		}
		from, to := span(i)
		if from-r.to > gap {
			break
		}
		r.last, r.to = i, to
	}
	return r, true
}

// checkTimes holds times and durations against each other and against what a clock shows.
func (d *decoder) checkTimes() error {
	const beyond = ^(schemas.MaxTime - 1) // bits that no time has
	strange := int64(0)
	for _, t := range d.out.Time {
		strange |= t & beyond
	}
	for _, t := range d.out.Duration {
		strange |= t & beyond
	}
	if strange == 0 && d.out.Time != nil {
		times := d.out.Time[:len(d.out.Duration)]
		for i, t := range d.out.Duration {
			strange |= (times[i] + t) & beyond
		}
	}
	if strange != 0 {
		return errRange
	}
	return nil
}

// batchReader decodes columns of a batch from the bytes of a run.
type batchReader struct {
	*decoder
	entry *Entry
	run   run
	text  int64 // bytes of strings and bytes so far
}

// column decodes a column into the decoder's memory, and shows it in the batch.
func (b *batchReader) column(c *column, nulls int64) (err error) {
	m, out := &b.memory, &b.out
	if !c.nullable() && (nulls != 0 || b.entry.buffers[c.buffer].length != 0) {
		return errValidity
	}
	values := c.buffer + 1
	switch c.base {
	case schemas.ColTime:
		m.Time, err = numbers(b, m.Time, values)
		out.Time = m.Time
		return err
	case schemas.ColCPU:
		m.CPU, err = numbers(b, m.CPU, values)
		out.CPU = m.CPU
		return err
	case schemas.ColTask:
		m.Task, err = numbers(b, m.Task, values)
		out.Task = m.Task
		return err
	case schemas.ColSite:
		m.Site, err = numbers(b, m.Site, values)
		out.Site = m.Site
		if err == nil {
			err = checkSites(m.Site, b.entry.Sites)
		}
		return err
	case schemas.ColDuration:
		m.Duration, err = numbers(b, m.Duration, values)
		out.Duration = m.Duration
		return err
	case schemas.ColEnd:
		m.End, err = numbers(b, m.End, values)
		out.End = m.End
		if err == nil {
			err = checkEnds(m.End)
		}
		return err
	case schemas.ColErrno:
		m.Errno, err = numbers(b, m.Errno, values)
		out.Errno = m.Errno
		return err
	}
	v, shown := &m.Columns[c.field], &out.Columns[c.field]
	if c.cut {
		v.Cut, err = b.bits(v.Cut, values, 0)
		if err == nil && anySet(v.Cut, 0, b.entry.Rows) {
			shown.Cut = v.Cut
		}
		return err
	}
	if shown.Null, err = b.nulls(v, c.buffer, nulls); err != nil {
		return err
	}
	if c.kind == kindBinary {
		if err := b.binary(v, values); err != nil {
			return err
		}
		shown.Offs, shown.Data = v.Offs, v.Data
		return checkNulls(shown)
	}
	if err := b.integers(c, v, values); err != nil {
		return err
	}
	shown.Ints = v.Ints
	return checkNulls(shown)
}

// buffer returns a buffer's bytes as they are stored, once their checksum is right.
func (b *batchReader) buffer(i int) ([]byte, error) {
	x := b.entry.buffers[i]
	at := x.offset - b.run.from
	stored := b.stored[at : at+padded(x.length)]
	if crc32.Checksum(stored, castagnoli()) != b.entry.sums[i] {
		return nil, errChecksum
	}
	return stored[:x.length], nil
}

// into decompresses a buffer that must hold exactly len(dst) bytes.
func (b *batchReader) into(dst []byte, i int) error {
	stored, err := b.buffer(i)
	if err != nil {
		return err
	}
	n, err := plainLength(stored)
	if err != nil {
		return err
	}
	if n != len(dst) {
		return errLength
	}
	return b.decomp.into(dst, stored, b.entry.Codec)
}

// numbers decodes a column whose type in memory is that on disk.
func numbers[T number](b *batchReader, dst []T, i int) ([]T, error) {
	dst = resize(dst, b.entry.Rows)
	return dst, into(b, dst, i)
}

func into[T number](b *batchReader, dst []T, i int) error {
	if err := b.into(bytesOf(dst), i); err != nil {
		return err
	}
	if !littleEndian() {
		reverse[T](bytesOf(dst))
	}
	return nil
}

// integers decodes a field's numbers, widened.
func (b *batchReader) integers(c *column, v *schemas.Column, i int) error {
	v.Ints = resize(v.Ints, b.entry.Rows)
	switch {
	case c.kind == kindBool:
		return b.bools(v.Ints, i)
	case c.width == 8:
		return into(b, v.Ints, i)
	case c.width == 4 && c.kind == kindInt:
		return widened[int32](b, v.Ints, i)
	case c.width == 4:
		return widened[uint32](b, v.Ints, i)
	case c.width == 2 && c.kind == kindInt:
		return widened[int16](b, v.Ints, i)
	case c.width == 2:
		return widened[uint16](b, v.Ints, i)
	case c.kind == kindInt:
		return widened[int8](b, v.Ints, i)
	}
	return widened[uint8](b, v.Ints, i)
}

func widened[T number](b *batchReader, dst []int64, i int) error {
	b.plain = resize(b.plain, max(len(dst)*size[T](), wholeWord))
	narrow := numbersOf[T](b.plain)[:len(dst)]
	if err := into(b, narrow, i); err != nil {
		return err
	}
	for i, v := range narrow {
		dst[i] = int64(v)
	}
	return nil
}

// wholeWord is the least memory whose beginning the allocator aligns for every number.
const wholeWord = 64

// bitmap decodes a bitmap's bytes into plain, and returns them followed by zeros to a whole word.
func (b *batchReader) bitmap(i int) ([]byte, error) {
	n := bitmapBytes(b.entry.Rows)
	b.plain = resize(b.plain, max((n+7)&^7, wholeWord))
	if err := b.into(b.plain[:n], i); err != nil {
		return nil, err
	}
	clear(b.plain[n:])
	return b.plain, nil
}

func (b *batchReader) bools(dst []int64, i int) error {
	bitmap, err := b.bitmap(i)
	if err != nil {
		return err
	}
	for i := range dst {
		dst[i] = int64(bitmap[i>>3] >> (i & 7) & 1)
	}
	return nil
}

// bits decodes a bitmap, each bit turned around by flip.
func (b *batchReader) bits(dst schemas.Bitmap, i int, flip uint64) (schemas.Bitmap, error) {
	bitmap, err := b.bitmap(i)
	if err != nil {
		return dst, err
	}
	rows := b.entry.Rows
	dst = resize(dst, (rows+63)/64)
	for i := range dst {
		dst[i] = (binary.LittleEndian.Uint64(bitmap[8*i:]) ^ flip) & rowMask(rows-64*i)
	}
	return dst, nil
}

// nulls decodes a validity bitmap into v's memory; nil: no value is null.
func (b *batchReader) nulls(v *schemas.Column, i int, want int64) (schemas.Bitmap, error) {
	if b.entry.buffers[i].length == 0 {
		if want != 0 {
			return nil, errValidity
		}
		return nil, nil
	}
	var err error
	if v.Null, err = b.bits(v.Null, i, ^uint64(0)); err != nil {
		return nil, err
	}
	n := 0
	for _, w := range v.Null {
		n += bits.OnesCount64(w)
	}
	if int64(n) != want {
		return nil, errValidity
	}
	if n == 0 {
		return nil, nil
	}
	return v.Null, nil
}

// binary decodes the offsets and bytes of a strings or bytes column.
func (b *batchReader) binary(v *schemas.Column, i int) error {
	v.Offs = resize(v.Offs, b.entry.Rows+1)
	if err := into(b, v.Offs, i); err != nil {
		return err
	}
	v.Data = v.Data[:0]
	if b.entry.buffers[i+1].length > 0 {
		stored, err := b.buffer(i + 1)
		if err != nil {
			return err
		}
		n, err := plainLength(stored)
		if err != nil {
			return err
		}
		if b.text += int64(n); b.text > MaxBatchBytes {
			return errTooLarge
		}
		v.Data = resize(v.Data, n)
		if err := b.decomp.into(v.Data, stored, b.entry.Codec); err != nil {
			return err
		}
	}
	before := uint32(0)
	for _, o := range v.Offs {
		if o < before {
			return errOffsets
		}
		before = o
	}
	if v.Offs[0] != 0 || int64(before) != int64(len(v.Data)) {
		return errOffsets
	}
	return nil
}

// checkNulls holds the slots of nulls to be empty.
func checkNulls(c *schemas.Column) error {
	for i, word := range c.Null {
		for ; word != 0; word &= word - 1 {
			if !emptySlot(c, 64*i+bits.TrailingZeros64(word)) {
				return errValidity
			}
		}
	}
	return nil
}

// checkSites holds rows' sites to lie within those of the batch's description, which were checked against the capture's.
func checkSites(s []schemas.SiteID, of []schemas.SiteCount) error {
	least, greatest := of[0].Site, of[len(of)-1].Site
	for _, v := range s {
		if v < least || v > greatest {
			return errRange
		}
	}
	return nil
}

func checkEnds(s []schemas.End) error {
	greatest := schemas.End(0)
	for _, v := range s {
		greatest = max(greatest, v)
	}
	if greatest > schemas.EndReturnMissed {
		return errRange
	}
	return nil
}

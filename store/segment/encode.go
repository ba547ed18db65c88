package segment

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math/bits"

	"probetape/schemas"
)

// Encoder turns rows into record batches, in memory that it reuses. Writers that are used by one goroutine can share one.
type Encoder struct {
	comp     *compressor
	messages *messages
	facts    facts
	entry    Entry
	nulls    []int // of each column
	body     []byte
	plain    []byte // a buffer before its compression, where the batch does not have it as it is on disk
	packed   []byte
}

// NewEncoder makes an encoder.
func NewEncoder(codec Codec) (*Encoder, error) {
	comp, err := newCompressor(codec)
	if err != nil {
		return nil, err
	}
	// Numbers are put into plain: memory of this size is aligned for all of them, and so is what it grows to.
	return &Encoder{comp: comp, messages: newMessages(), plain: make([]byte, 0, 4096)}, nil
}

var errValue = errors.New("a value does not fit its type")

// encode makes the message of rows from to to-1 of a batch. from is a multiple of 64. Both parts are valid until the next call.
func (e *Encoder) encode(l *layout, seed uint32, b *schemas.Batch, from, to int, offset int64, firstRow uint64) (head, body []byte, err error) {
	e.facts.reset()
	if err := e.facts.count(b, from, to); err != nil {
		return nil, nil, err
	}
	e.facts.into(&e.entry)
	e.entry.Offset, e.entry.FirstRow, e.entry.Codec = offset, firstRow, e.comp.codec
	e.entry.buffers, e.entry.sums = e.entry.buffers[:0], e.entry.sums[:0]
	e.body, e.nulls = e.body[:0], e.nulls[:0]
	for i := range l.columns {
		c := &l.columns[i]
		if err := e.column(c, b, from, to); err != nil {
			return nil, nil, fmt.Errorf("column %q: %w", c.name, err)
		}
	}
	e.packed = appendEntry(e.packed[:0], &e.entry)
	head, err = e.messages.batch(seed, e.comp.codec, to-from, e.nulls, e.entry.buffers, int64(len(e.body)), e.packed)
	return head, e.body, err
}

// column appends a column's buffers to the body.
func (e *Encoder) column(c *column, b *schemas.Batch, from, to int) error {
	if c.base != 0 {
		e.nulls = append(e.nulls, 0)
		e.absent()
		switch c.base {
		case schemas.ColTime:
			return putNumbers(e, b.Time[from:to])
		case schemas.ColCPU:
			return putNumbers(e, b.CPU[from:to])
		case schemas.ColTask:
			return putNumbers(e, b.Task[from:to])
		case schemas.ColSite:
			return putNumbers(e, b.Site[from:to])
		case schemas.ColDuration:
			return putNumbers(e, b.Duration[from:to])
		case schemas.ColEnd:
			return putNumbers(e, b.End[from:to])
		default:
			return putNumbers(e, b.Errno[from:to])
		}
	}
	v := &b.Columns[c.field]
	if c.cut {
		e.nulls = append(e.nulls, 0)
		e.absent()
		return e.bits(v.Cut, from, to, 0)
	}
	if err := e.validity(v, from, to); err != nil {
		return err
	}
	switch {
	case c.kind == kindBinary:
		return e.binary(v, from, to)
	case c.kind == kindBool:
		return e.bools(v.Ints[from:to])
	case c.width == 8:
		return putNumbers(e, v.Ints[from:to])
	case c.width == 4 && c.kind == kindInt:
		return putNarrow[int32](e, v.Ints[from:to])
	case c.width == 4:
		return putNarrow[uint32](e, v.Ints[from:to])
	case c.width == 2 && c.kind == kindInt:
		return putNarrow[int16](e, v.Ints[from:to])
	case c.width == 2:
		return putNarrow[uint16](e, v.Ints[from:to])
	case c.kind == kindInt:
		return putNarrow[int8](e, v.Ints[from:to])
	}
	return putNarrow[uint8](e, v.Ints[from:to])
}

// absent is a buffer that is not there: Arrow's validity of a column without nulls.
func (e *Encoder) absent() {
	e.entry.buffers = append(e.entry.buffers, extent{offset: int64(len(e.body))})
	e.entry.sums = append(e.entry.sums, 0)
}

// put appends a buffer. An empty one is absent.
func (e *Encoder) put(plain []byte, holds content) error {
	if len(plain) == 0 {
		e.absent()
		return nil
	}
	start := len(e.body)
	body, err := e.comp.append(e.body, plain, holds)
	if err != nil {
		return err
	}
	length := len(body) - start
	for len(body)%align != 0 {
		body = append(body, 0)
	}
	e.body = body
	e.entry.buffers = append(e.entry.buffers, extent{int64(start), int64(length)})
	e.entry.sums = append(e.entry.sums, crc32.Checksum(body[start:], castagnoli()))
	return nil
}

// putNumbers appends numbers as they are in memory.
func putNumbers[T number](e *Encoder, s []T) error {
	if littleEndian() {
		return e.put(bytesOf(s), numeric)
	}
	e.plain = append(e.plain[:0], bytesOf(s)...)
	reverse[T](e.plain)
	return e.put(e.plain, numeric)
}

// putNarrow appends numbers of a narrower type.
func putNarrow[T number](e *Encoder, s []int64) error {
	e.plain = resize(e.plain, len(s)*size[T]())
	strange := int64(0)
	narrow := numbersOf[T](e.plain)
	for i, v := range s {
		n := T(v)
		narrow[i] = n
		strange |= v ^ int64(n)
	}
	if strange != 0 {
		return errValue
	}
	if !littleEndian() {
		reverse[T](e.plain)
	}
	return e.put(e.plain, numeric)
}

// validity appends a column's validity: a bit for each row, set where there is a value. The slots of nulls are held to be empty.
func (e *Encoder) validity(v *schemas.Column, from, to int) error {
	null := v.Null
	if !anySet(null, from, to) {
		e.nulls = append(e.nulls, 0)
		e.absent()
		return nil
	}
	nulls := 0
	for i := from; i < to; i += 64 {
		for word := word(null, i) & rowMask(to-i); word != 0; word &= word - 1 {
			if !emptySlot(v, i+bits.TrailingZeros64(word)) {
				return errValue
			}
			nulls++
		}
	}
	e.nulls = append(e.nulls, nulls)
	return e.bits(null, from, to, ^uint64(0))
}

// emptySlot reports whether row i of a column holds 0, or no bytes.
func emptySlot(v *schemas.Column, i int) bool {
	if len(v.Offs) > 0 {
		return v.Offs[i] == v.Offs[i+1]
	}
	return v.Ints[i] == 0
}

// bits appends a bitmap's rows, each turned around by flip.
func (e *Encoder) bits(b schemas.Bitmap, from, to int, flip uint64) error {
	e.plain = e.plain[:0]
	for i := from; i < to; i += 64 {
		e.plain = binary.LittleEndian.AppendUint64(e.plain, (word(b, i)^flip)&rowMask(to-i))
	}
	return e.put(e.plain[:bitmapBytes(to-from)], numeric)
}

func (e *Encoder) bools(s []int64) error {
	e.plain = e.plain[:0]
	for len(s) > 0 {
		n, w := min(len(s), 64), uint64(0)
		for i, v := range s[:n] {
			if v != 0 && v != 1 {
				return errValue
			}
			w |= uint64(v) << i
		}
		e.plain = binary.LittleEndian.AppendUint64(e.plain, w)[:len(e.plain)+bitmapBytes(n)]
		s = s[n:]
	}
	return e.put(e.plain, numeric)
}

// binary appends offsets and bytes of a strings or bytes column.
func (e *Encoder) binary(v *schemas.Column, from, to int) error {
	offs := v.Offs[from : to+1]
	first, last := offs[0], offs[to-from]
	if int64(last) > int64(len(v.Data)) || first > last {
		return errValue
	}
	e.plain = e.plain[:0]
	before := first
	for _, o := range offs {
		if o < before || o > last {
			return errValue
		}
		before = o
		e.plain = binary.LittleEndian.AppendUint32(e.plain, o-first)
	}
	if err := e.put(e.plain, numeric); err != nil {
		return err
	}
	return e.put(v.Data[first:last], texts)
}

// rowMask has the bits of the first n rows of a word.
func rowMask(n int) uint64 {
	if n >= 64 {
		return ^uint64(0)
	}
	return 1<<n - 1
}

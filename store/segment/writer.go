package segment

import (
	"errors"
	"fmt"
	"io"
	"math"
	"slices"

	"probetape/schemas"
)

// Limits of a segment. A writer keeps them, a reader refuses what is beyond them, so that its memory is bounded.
const (
	MaxRows       = 1 << 16  // of a batch
	MaxBatchBytes = 32 << 20 // of a batch's buffers, decompressed
	MaxMetadata   = 1 << 20  // of a message, table description included

)

// Identity says which segment of which capture a file is. It is in the file, and all checksums depend on it.
type Identity struct {
	Capture string // the manifest's ID
	Segment uint64
}

// File is what a segment is written to.
type File interface {
	io.WriterAt
	Sync() error
	Truncate(size int64) error
	Close() error
}

// Writer writes a segment. It is not safe for concurrent use.
//
// After an error of Append or Sync the segment is as it was before the call: a later call writes over what was half written.
type Writer struct {
	file    File
	encoder *Encoder
	layout  *layout
	seed    uint32

	size   int64
	facts  schemas.Segment
	counts []schemas.SiteCount // by site
}

// NewWriter begins a segment of table t in the empty file f. Encoder nil makes one of its own, with LZ4.
func NewWriter(f File, id Identity, t *schemas.Table, encoder *Encoder) (*Writer, error) {
	l, err := newLayout(t)
	if err != nil {
		return nil, fmt.Errorf("beginning segment %v: %w", id, err)
	}
	if encoder == nil {
		if encoder, err = NewEncoder(LZ4); err != nil {
			return nil, err
		}
	}
	head, err := encoder.messages.schema(id, l)
	if err != nil {
		return nil, fmt.Errorf("beginning segment %v: %w", id, err)
	}
	if err := writeAt(f, head, 0); err != nil {
		return nil, err
	}
	return &Writer{
		file: f, encoder: encoder, layout: l, seed: id.seed(), size: int64(len(head)),
		facts: schemas.Segment{ID: id.Segment, Table: t.ID, MinTime: math.MaxInt64, MaxTime: math.MinInt64, MaxEnd: math.MinInt64},
	}, nil
}

func writeAt(f File, b []byte, offset int64) error {
	n, err := f.WriteAt(b, offset)
	if err == nil && n < len(b) {
		return io.ErrShortWrite
	}
	return err
}

// Append writes the batch's rows, as one record batch unless there are more than MaxRows of them. It keeps nothing of the batch. A batch
// without rows writes nothing.
func (w *Writer) Append(b *schemas.Batch) error {
	if err := w.check(b); err != nil {
		return err
	}
	size, facts := w.size, w.facts
	for from := 0; from < b.Len; {
		to := w.split(b, from)
		if err := w.write(b, from, to); err != nil {
			w.undo(b, from, size, facts)
			return err
		}
		from = to
	}
	return nil
}

// undo forgets the first n rows of a batch.
func (w *Writer) undo(b *schemas.Batch, n int, size int64, facts schemas.Segment) {
	w.size, w.facts = size, facts
	for i, s := range b.Site[:n] {
		w.counts[s].Rows--
		if w.layout.table.Call && b.Errno[i] != 0 {
			w.counts[s].Errors--
		}
	}
}

var errShape = errors.New("a batch of another table, or with columns that are too short")

func (w *Writer) check(b *schemas.Batch) error {
	n := b.Len
	ok := (b.Table == w.layout.table || b.Table != nil && sameShape(b.Table, w.layout.table)) && len(b.Columns) == len(b.Table.Fields) &&
		n >= 0 && len(b.Time) >= n && len(b.CPU) >= n && len(b.Task) >= n && len(b.Site) >= n
	if ok && b.Table.Call {
		ok = len(b.Duration) >= n && len(b.End) >= n && len(b.Errno) >= n
	}
	for i := 0; ok && i < len(b.Columns); i++ {
		c := &b.Columns[i]
		if b.Table.Fields[i].Type.Text() {
			ok = len(c.Offs) > n
		} else {
			ok = len(c.Ints) >= n
		}
	}
	if !ok {
		return errShape
	}
	return nil
}

// split returns where a record batch that begins with row from ends.
func (w *Writer) split(b *schemas.Batch, from int) int {
	n := min(b.Len-from, MaxRows)
	for n > 64 && plainSize(w.layout, b, from, from+n) > MaxBatchBytes {
		n = (n/2 + 63) &^ 63
	}
	return from + n
}

// plainSize is an upper bound of the bytes in the buffers of a batch's rows.
func plainSize(l *layout, b *schemas.Batch, from, to int) int64 {
	n := int64(to-from)*int64(l.fixed) + int64(l.buffers)*8
	for i := range b.Columns {
		if offs := b.Columns[i].Offs; len(offs) > to {
			n += int64(offs[to]) - int64(offs[from])
		}
	}
	return n
}

// write writes one record batch.
func (w *Writer) write(b *schemas.Batch, from, to int) error {
	head, body, err := w.encoder.encode(w.layout, w.seed, b, from, to, w.size, w.facts.Rows)
	if err != nil {
		return fmt.Errorf("encoding a batch of table %q: %w", w.layout.table.Name, err)
	}
	if err := writeAt(w.file, head, w.size); err != nil {
		return err
	}
	if err := writeAt(w.file, body, w.size+int64(len(head))); err != nil {
		return err
	}
	w.size += int64(len(head) + len(body))
	add(&w.facts, &w.encoder.entry)
	w.counts = addSites(w.counts, w.encoder.entry.Sites)
	return nil
}

// add adds a batch to a segment's facts, apart from sites and bytes.
func add(s *schemas.Segment, e *Entry) {
	s.Rows += uint64(e.Rows)
	s.Batches++
	s.MinTime, s.MaxTime, s.MaxEnd = min(s.MinTime, e.MinTime), max(s.MaxTime, e.MaxTime), max(s.MaxEnd, e.MaxEnd)
	s.Running += e.Running
}

// addSites adds a batch's counts to those of a segment, which are indexed by site.
func addSites(counts, sites []schemas.SiteCount) []schemas.SiteCount {
	if n := len(sites); n > 0 && int(sites[n-1].Site) >= len(counts) {
		need := int(sites[n-1].Site) + 1
		counts = slices.Grow(counts, need-len(counts))[:need]
	}
	for _, s := range sites {
		counts[s.Site].Rows += s.Rows
		counts[s.Site].Errors += s.Errors
	}
	return counts
}

// segment completes a segment's facts.
func segment(facts schemas.Segment, size int64, counts []schemas.SiteCount) schemas.Segment {
	facts.Bytes = uint64(size)
	if facts.Rows == 0 {
		facts.MinTime, facts.MaxTime, facts.MaxEnd = 0, 0, 0
	}
	for i, c := range counts {
		if c.Rows > 0 {
			c.Site = schemas.SiteID(i)
			facts.Sites = append(facts.Sites, c)
		}
	}
	return facts
}

// Sync brings what was appended to the disk.
func (w *Writer) Sync() error { return w.file.Sync() }

// Segment describes what was appended so far; File is empty, Sealed false. The slice is the caller's.
func (w *Writer) Segment() schemas.Segment { return segment(w.facts, w.size, w.counts) }

// Bytes is the size of the segment so far, what is half written left out.
func (w *Writer) Bytes() int64 { return w.size }

// Rows is how many rows were appended so far.
func (w *Writer) Rows() uint64 { return w.facts.Rows }

// Finish cuts off what is half written, appends the end-of-stream marker, syncs and closes the file. Segment counts the marker after it.
func (w *Writer) Finish() error {
	err := w.file.Truncate(w.size)
	if err == nil {
		err = writeAt(w.file, endOfStream, w.size)
	}
	if err == nil {
		w.size += int64(len(endOfStream))
		err = w.file.Sync()
	}
	return errors.Join(err, w.file.Close())
}

// Close closes the file and leaves it without an end, as a crash would.
func (w *Writer) Close() error { return w.file.Close() }

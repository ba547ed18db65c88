package segment

import (
	"context"
	"errors"
	"io"
	"iter"

	"probetape/schemas"
)

// Options says what is known of a segment to be read.
type Options struct {
	File   string         // name in errors
	ID     Identity       // checked where Capture is not empty; Segment is in errors too
	Table  *schemas.Table // as the catalogue has it, checked; nil: the segment's own description
	Sealed bool           // the end-of-stream marker must be there
}

// Reader reads a segment. It is safe for concurrent use, as its io.ReaderAt is.
type Reader struct{}

// Open reads the head of a segment: the first size bytes of r. Of an open segment, size is what the catalogue has committed; beyond it may
// be more that is whole (recovery opens the file's full size), or garbage.
func Open(r io.ReaderAt, size int64, opt Options) (*Reader, error) { return nil, errors.ErrUnsupported }

// Table is the table whose rows the segment holds.
func (r *Reader) Table() *schemas.Table { return nil }

// ID is the segment's identity.
func (r *Reader) ID() Identity { return Identity{} }

// Entries walks the segment's messages without touching the columns. The entry is valid until the next one. A *CorruptError stands for what
// is damaged, and the walk goes on behind it where the next whole message can be found; any other error ends it.
func (r *Reader) Entries(ctx context.Context) iter.Seq2[*Entry, error] { return nil }

// Summarize walks the segment and describes what is whole: Rows, Bytes (up to the end of the last whole batch), Batches, spans, sites, and
// Sealed where it ends with the end-of-stream marker. damage lists the rest.
func (r *Reader) Summarize(ctx context.Context) (s schemas.Segment, damage []schemas.Damage, err error) {
	return schemas.Segment{}, nil, errors.ErrUnsupported
}

// Scanner reads batches of segments, one segment after another, into memory that it reuses. It is not safe for concurrent use; the zero
// value is ready.
type Scanner struct{}

// Scan yields the batches of r that the query may select (span of time, sites), in the order of the file, with the columns it asks for. The
// batch is valid until the next one. A *CorruptError is yielded in the place of each damaged part, and the scan goes on behind it; any
// other error ends it.
func (s *Scanner) Scan(ctx context.Context, r *Reader, q *schemas.Query) iter.Seq2[*schemas.Batch, error] {
	return nil
}

// Selects reports whether a query's window and sites may select rows of a segment or batch with these facts.
func Selects(q *schemas.Query, minTime, maxEnd int64, running uint64, sites []schemas.SiteCount) bool {
	return false
}

// Sealer makes sealed segments. It reuses its memory and is not safe for concurrent use.
type Sealer struct{}

// NewSealer makes a sealer. It holds some 100 MiB at most.
func NewSealer() (*Sealer, error) { return nil, errors.ErrUnsupported }

// Seal writes the rows of the sources, segments of one table, into f: batches of MaxRows rows, sorted by time, compressed with zstd, and the
// end-of-stream marker; it syncs and closes f. Damage in a source is an error, unless damaged is not nil: then it is told, and the rest is
// kept. It can be cancelled; what it leaves in f then is to be removed.
func (s *Sealer) Seal(ctx context.Context, f File, id Identity, sources []*Reader, damaged func(*CorruptError) error) (schemas.Segment, error) {
	return schemas.Segment{}, errors.ErrUnsupported
}

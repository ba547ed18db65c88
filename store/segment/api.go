package segment

import (
	"context"
	"errors"
	"io"
	"iter"
	"os"

	"probetape/schemas"
)

// Limits of a segment. A writer keeps them, a reader refuses what is beyond them, so that its memory is bounded.
const (
	MaxRows       = 1 << 16  // of a batch
	MaxBatchBytes = 32 << 20 // of a batch's buffers, decompressed
	MaxMetadata   = 1 << 20  // of a message, table description included
	MaxSites      = 1 << 20  // site numbers are below it
)

// Identity says which segment of which capture a file is. It is in the file, and all checksums depend on it.
type Identity struct {
	Capture string // the manifest's ID
	Segment uint64
}

// File is what a segment is written to; *os.File is one.
type File interface {
	io.WriterAt
	Sync() error
	Truncate(size int64) error
	Close() error
}

// Create makes the file name below root, 0600. It is an error if something of that name exists, a symbolic link too.
func Create(root *os.Root, name string) (*os.File, error) { return nil, errors.ErrUnsupported }

// OpenFile opens the file name below root for reading. What is not a regular file (a symbolic link, a pipe) is refused.
func OpenFile(root *os.Root, name string) (*os.File, error) { return nil, errors.ErrUnsupported }

// Writer writes an open segment. It is not safe for concurrent use.
//
// After an error of Append or Sync the segment is as it was before the call: a later call writes over what was half written.
type Writer struct{}

// NewWriter begins a segment of table t in the empty file f, which it owns from then on, unless it returns an error.
func NewWriter(f File, id Identity, t *schemas.Table) (*Writer, error) {
	return nil, errors.ErrUnsupported
}

// Append writes the batch's rows. It keeps nothing of the batch. A batch without rows writes nothing.
func (w *Writer) Append(b *schemas.Batch) error { return errors.ErrUnsupported }

// Sync brings what was appended to the disk (fdatasync).
func (w *Writer) Sync() error { return errors.ErrUnsupported }

// Segment describes what was appended so far; File is empty, Sealed false. The slice is the caller's.
func (w *Writer) Segment() schemas.Segment { return schemas.Segment{} }

// Bytes is the size of the segment so far, without asking for the rest of Segment.
func (w *Writer) Bytes() int64 { return 0 }

// Finish cuts off what is half written, appends the end-of-stream marker, syncs and closes the file.
func (w *Writer) Finish() error { return errors.ErrUnsupported }

// Close closes the file and leaves it as a crash would.
func (w *Writer) Close() error { return errors.ErrUnsupported }

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

// Codec is how a batch's buffers are compressed.
type Codec uint8

// The codecs, by Arrow's numbers.
const (
	LZ4  Codec = 0
	Zstd Codec = 1
)

// Entry is what a batch's message says of it.
type Entry struct {
	Offset   int64  // of the message in the file
	Length   int64  // of the message: metadata and columns
	FirstRow uint64 // rows before it in the segment
	Rows     int
	MinTime  int64 // boot clock, ns
	MaxTime  int64
	MaxEnd   int64  // the latest known end of a call; MaxTime for points
	Running  uint64 // calls that were still running when the recording stopped: they have no known end
	Codec    Codec
	Sites    []schemas.SiteCount // ascending
}

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

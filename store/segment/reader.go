package segment

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"strconv"
	"strings"

	"probetape/schemas"
)

// Options says what is known of a segment to be read.
type Options struct {
	File   string         // name in errors
	ID     Identity       // checked where Capture is not empty
	Table  *schemas.Table // as the catalogue has it, checked; nil: the segment's own description
	Sites  int            // sites of the capture: a batch that names others is damaged; 0: not known
	Rows   uint64         // rows that must be there: what lacks at the end is told as damage; 0: not known
	Sealed bool           // the end-of-stream marker must be there
}

// Reader reads a segment. It may be used by several goroutines at once where its io.ReaderAt may.
type Reader struct {
	r      io.ReaderAt
	size   int64
	opt    Options
	id     Identity
	seed   uint32
	layout *layout
	minor  int
	start  int64         // of what follows the schema
	head   *CorruptError // the schema message is damaged, and was not needed
}

// Open reads the head of a segment that is in the first size bytes of r. Of an open segment, size is what the catalogue has committed: there
// may be more behind it, whole or garbage. (Recovery opens the file's full size.)
//
// A damaged head is an error only where opt has not both ID and Table; else it is damage like any other. The errors are *CorruptError,
// *VersionError, those that wrap ErrForeign, and those of r.
func Open(r io.ReaderAt, size int64, opt Options) (*Reader, error) {
	s := &Reader{r: r, size: size, opt: opt, id: opt.ID, minor: schemas.FormatMinor}
	err := s.readHead()
	if corrupt, ok := errors.AsType[*CorruptError](err); ok && opt.Table != nil && opt.ID.Capture != "" {
		s.head, s.start = corrupt, 0
		s.layout, err = newLayout(opt.Table)
	}
	if err != nil {
		return nil, err
	}
	s.seed = s.id.seed()
	return s, nil
}

// Table is the table whose rows the segment holds.
func (r *Reader) Table() *schemas.Table { return r.layout.table }

// ID is the segment's identity.
func (r *Reader) ID() Identity { return r.id }

func (r *Reader) corrupt(offset, length int64, err error) *CorruptError {
	return &CorruptError{File: r.opt.File, Segment: r.id.Segment, Offset: offset, Length: length, Err: err}
}

var (
	errTorn     = errors.New("the file ends inside a message")
	errFraming  = errors.New("no message begins here")
	errChecksum = errors.New("wrong checksum")
	errTable    = errors.New("the table's description makes no sense")
)

// readHead reads the schema message. The identity in it seeds its own checksum, so it is read before the checksum is known to be right.
func (r *Reader) readHead() error {
	var w walker
	w.begin(r)
	message, err := w.metadata(0)
	if err == errEnded {
		err = errFraming
	}
	if err != nil {
		return r.headError(err)
	}
	f := flat{b: message[prefixSize:]}
	m := f.root()
	header, ok := f.tableField(m, messageHeader)
	segment := string(f.value(header, schemaCustom, keySegment))
	description := f.value(header, schemaCustom, keyTable)
	format := string(f.value(header, schemaCustom, keyFormat))
	if f.bad || !ok || f.byteField(m, messageHeaderType) != headerSchema || f.i64Field(m, messageBodyLength) != 0 {
		return r.headError(errMetadata)
	}
	id, err := parseIdentity(segment)
	if err != nil {
		return r.headError(err)
	}
	if !sumIsRight(id.seed(), message) {
		return r.headError(errChecksum)
	}
	major, minor, ok := parseFormat(format)
	if !ok {
		return r.headError(fmt.Errorf("%w: format %.32q", errMetadata, format))
	}
	if major != schemas.FormatMajor {
		return &VersionError{File: r.opt.File, Major: major, Minor: minor}
	}
	if r.opt.ID.Capture != "" && id != r.opt.ID {
		return fmt.Errorf("opening segment %v (%s): it is %v: %w", r.opt.ID, r.opt.File, id, ErrForeign)
	}
	table, err := parseTable(description)
	if err != nil {
		return r.headError(err)
	}
	if r.opt.Table != nil {
		if !sameShape(r.opt.Table, table) {
			return fmt.Errorf("opening segment %v (%s): it is of table %q: %w", id, r.opt.File, table.Name, ErrForeign)
		}
		table = r.opt.Table
	}
	r.layout, err = newLayout(table)
	if err != nil {
		return r.headError(err)
	}
	r.id, r.minor, r.start = id, minor, int64(len(message))
	return nil
}

// headError makes damage of what is wrong with the head, unless reading itself failed.
func (r *Reader) headError(err error) error {
	if stops(err) {
		return err
	}
	return r.corrupt(0, 0, err)
}

func parseIdentity(s string) (Identity, error) {
	capture, number, ok := strings.Cut(s, "/")
	n, err := strconv.ParseUint(number, 10, 64)
	id := Identity{Capture: capture, Segment: n}
	if !ok || err != nil || id.String() != s || len(s) > 128 {
		return Identity{}, fmt.Errorf("%w: segment %.128q", errMetadata, s)
	}
	return id, nil
}

func parseFormat(s string) (major, minor int, ok bool) {
	before, after, found := strings.Cut(s, ".")
	major, err1 := strconv.Atoi(before)
	minor, err2 := strconv.Atoi(after)
	return major, minor, found && err1 == nil && err2 == nil && major > 0 && minor >= 0
}

func parseTable(description []byte) (*schemas.Table, error) {
	var t schemas.Table
	if err := json.Unmarshal(description, &t); err != nil {
		return nil, fmt.Errorf("%w: %w", errTable, err)
	}
	id := t.ID
	t.ID = 0 // the gate takes tables by their place
	err := schemas.ValidateTables([]schemas.Table{t})
	t.ID = id
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errTable, err)
	}
	return &t, nil
}

// Entries walks the segment's messages without touching the columns. The entry is valid until the next one. A *CorruptError stands for what
// is damaged, and the walk goes on behind it where the next whole message can be found; any other error ends it.
func (r *Reader) Entries(ctx context.Context) iter.Seq2[*Entry, error] {
	return func(yield func(*Entry, error) bool) {
		var w walker
		w.begin(r)
		for {
			e, err := w.next(ctx)
			if err == io.EOF || !yield(e, err) || err != nil && stops(err) {
				return
			}
		}
	}
}

// stops reports whether an error ends a walk.
func stops(err error) bool {
	_, corrupt := errors.AsType[*CorruptError](err)
	return !corrupt && !damages(err)
}

// Summarize walks the segment and describes what its messages say: Rows, Bytes (up to the end of the last message), Batches, spans, sites, and
// Sealed where it ends with the end-of-stream marker. damage is what the walk cannot read. Columns are not looked at; see Scanner.Verify.
func (r *Reader) Summarize(ctx context.Context) (s schemas.Segment, damage []schemas.Damage, err error) {
	sum := newSummary(r)
	var w walker
	w.begin(r)
	for {
		e, err := w.next(ctx)
		if corrupt, ok := errors.AsType[*CorruptError](err); ok {
			damage = append(damage, corrupt.Damage())
			continue
		}
		if err == io.EOF {
			return sum.segment(&w), damage, nil
		}
		if err != nil {
			return schemas.Segment{}, damage, err
		}
		sum.add(e)
	}
}

// summary adds up entries.
type summary struct {
	r      *Reader
	facts  schemas.Segment
	counts []schemas.SiteCount
	end    int64
}

func newSummary(r *Reader) *summary {
	return &summary{r: r, end: r.start, facts: schemas.Segment{
		ID: r.id.Segment, Table: r.layout.table.ID, MinTime: math.MaxInt64, MaxTime: math.MinInt64, MaxEnd: math.MinInt64,
	}}
}

func (s *summary) add(e *Entry) {
	add(&s.facts, e)
	s.counts = addSites(s.counts, e.Sites)
	s.end = e.Offset + e.Length
}

func (s *summary) segment(w *walker) schemas.Segment {
	s.facts.Sealed = w.ended
	if w.ended {
		s.end = s.r.size
	}
	return segment(s.facts, s.end, s.counts)
}

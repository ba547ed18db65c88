package segment

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"

	"probetape/schemas"
)

// Scanner reads batches of segments, one segment after another, into memory that it reuses: some tens of MiB at most, whatever the segment
// says. It is not safe for concurrent use. The zero value is ready.
type Scanner struct {
	decoder decoder
	walker  walker
	wanted  []bool // columns of the layout
}

// Scan yields the batches of r that the query may select rows of (window, sites), in the order of the file, with the columns it asks for. The
// batch is valid until the next one. A *CorruptError is yielded in the place of each damaged part, and the scan goes on behind it; any
// other error ends it. q.Tables is not looked at.
func (s *Scanner) Scan(ctx context.Context, r *Reader, q *schemas.Query) iter.Seq2[*schemas.Batch, error] {
	return func(yield func(*schemas.Batch, error) bool) {
		s.choose(r.layout, q)
		s.walker.begin(r)
		for {
			b, err := s.next(ctx, q)
			if err == io.EOF || !yield(b, err) || err != nil && stops(err) {
				return
			}
		}
	}
}

// choose marks the columns that a query wants.
func (s *Scanner) choose(l *layout, q *schemas.Query) {
	s.wanted = resize(s.wanted, len(l.columns))
	for i := range l.columns {
		c := &l.columns[i]
		if c.base != 0 {
			s.wanted[i] = q.Base&c.base != 0
		} else {
			s.wanted[i] = slices.Contains(q.Fields, l.table.Fields[c.field].Name)
		}
	}
}

// everything marks all columns.
func (s *Scanner) everything(l *layout) {
	s.wanted = resize(s.wanted, len(l.columns))
	for i := range s.wanted {
		s.wanted[i] = true
	}
}

// next decodes the next batch that the query selects.
func (s *Scanner) next(ctx context.Context, q *schemas.Query) (*schemas.Batch, error) {
	for {
		e, err := s.walker.next(ctx)
		if err != nil {
			return nil, err
		}
		if Selects(q, e.MinTime, e.MaxEnd, e.Running, e.Sites) {
			return s.batch(s.walker.r, e)
		}
	}
}

// batch decodes a batch. What is wrong with it is a *CorruptError.
func (s *Scanner) batch(r *Reader, e *Entry) (*schemas.Batch, error) {
	err := s.decoder.decode(r, e, s.wanted)
	if err != nil {
		if !damages(err) {
			return nil, err
		}
		corrupt := r.corrupt(e.Offset, e.Length, err)
		corrupt.Rows, corrupt.From, corrupt.To = uint64(e.Rows), e.MinTime, e.MaxEnd
		return nil, corrupt
	}
	return &s.decoder.out, nil
}

// Selects reports whether a query's window and sites may select rows of a segment or batch of which these are the facts. A running call has
// no end: it reaches into every later window.
func Selects(q *schemas.Query, minTime, maxEnd int64, running uint64, sites []schemas.SiteCount) bool {
	if maxEnd < q.From && running == 0 || q.To != 0 && minTime >= q.To {
		return false
	}
	return q.Sites == nil || slices.ContainsFunc(sites, func(s schemas.SiteCount) bool { return slices.Contains(q.Sites, s.Site) })
}

var errFacts = errors.New("the rows are not what the batch's description says")

// Verify reads everything in the segment: every column of every batch, and whether the rows are what the messages say of them. It describes what
// is whole (as Reader.Summarize does) and what is not.
func (s *Scanner) Verify(ctx context.Context, r *Reader) (sound schemas.Segment, damage []schemas.Damage, err error) {
	s.everything(r.layout)
	sum := newSummary(r)
	w := &s.walker
	w.begin(r)
	var facts facts
	var counted Entry
	for {
		e, err := w.next(ctx)
		if err == nil {
			err = s.verify(r, e, &facts, &counted)
		}
		if corrupt, ok := errors.AsType[*CorruptError](err); ok {
			damage = append(damage, corrupt.Damage())
			continue
		}
		if err == io.EOF {
			return sum.segment(w), damage, nil
		}
		if err != nil {
			return schemas.Segment{}, damage, err
		}
		sum.add(e)
	}
}

// verify decodes a batch and counts its facts again.
func (s *Scanner) verify(r *Reader, e *Entry, f *facts, counted *Entry) error {
	b, err := s.batch(r, e)
	if err != nil {
		return err
	}
	f.reset()
	err = f.count(b, 0, b.Len)
	if err == nil {
		f.into(counted)
		if counted.MinTime != e.MinTime || counted.MaxTime != e.MaxTime || counted.MaxEnd != e.MaxEnd || counted.Running != e.Running ||
			!slices.Equal(counted.Sites, e.Sites) {
			err = errFacts
		}
	}
	if err != nil {
		corrupt := r.corrupt(e.Offset, e.Length, fmt.Errorf("verifying: %w", err))
		corrupt.Rows, corrupt.From, corrupt.To = uint64(e.Rows), e.MinTime, e.MaxEnd
		return corrupt
	}
	return nil
}

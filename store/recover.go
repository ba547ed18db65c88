package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"slices"
	"strings"

	"probetape/schemas"
	"probetape/store/segment"
)

// findParts compares the segments' files with what the catalogue says of them. It does this, in this order:
//
//  1. A file that is gone, or shorter than committed, is damage: the segment's description is cut down to what is there.
//  2. Where the recording ended badly, a file of an open segment that is longer than committed may hold rows that were written after the
//     last commit: those that prove to be whole are added to the description.
//  3. There too, files of segments that were begun after the last commit are added.
//
// A live capture is left alone: what is behind the commit is on its way. A catalogue that had to be salvaged is treated like a recording that
// ended badly: it may be older than the files.
func (r *Reader) findParts() error {
	r.parts = make([]part, len(r.content.Segments))
	salvaged := r.content.Txid == 0
	bad := !r.live && (!r.manifest.Ended || salvaged)
	ctx := context.Background()
	for i := range r.content.Segments {
		g := &r.content.Segments[i]
		r.parts[i].whole = true
		if _, held := r.held[g.ID]; held {
			continue
		}
		size, err := r.source.size(g.File)
		if errors.Is(err, fs.ErrNotExist) && !g.Sealed && bad {
			// The commit that put the sealed segment in its place is lost.
			if name := segmentFile(&r.content.Tables[g.Table], g.ID, true); r.exists(name) {
				err = r.useSealed(ctx, g, name)
				size = int64(g.Bytes)
			}
		}
		switch {
		case errors.Is(err, fs.ErrNotExist):
			r.addDamage(missing(g, "the file is missing"))
			r.parts[i].whole = false
			*g = schemas.Segment{ID: g.ID, Table: g.Table, File: g.File, Sealed: g.Sealed}
		case err != nil:
			return fmt.Errorf("opening capture %q: %w", r.path, err)
		case size < int64(g.Bytes):
			r.parts[i].whole = false
			err = r.cut(ctx, g, size)
		case size > int64(g.Bytes) && !g.Sealed && bad:
			err = r.recoverTail(ctx, g, size)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("opening capture %q: %w", r.path, err)
		}
	}
	if !bad {
		return nil
	}
	if err := r.findStrays(ctx); err != nil {
		return fmt.Errorf("opening capture %q: %w", r.path, err)
	}
	if !r.manifest.Ended {
		r.tellTail()
	}
	return nil
}

func (r *Reader) exists(name string) bool {
	_, err := r.source.size(name)
	return err == nil
}

// withSegment opens a segment of a size for a look at it. fn is not called where it cannot be read for damage, which is told.
func (r *Reader) withSegment(g *schemas.Segment, size int64, rows uint64, fn func(*segment.Reader) error) error {
	f, err := r.source.open(g.File)
	if err != nil {
		return err
	}
	s, err := segment.Open(f, size, segment.Options{
		File: g.File, ID: r.identity(g.ID), Table: &r.content.Tables[g.Table], Sites: len(r.content.Sites), Rows: rows,
	})
	if err == nil {
		err = fn(s)
	} else {
		var d schemas.Damage
		if d, err = damageOf(g, err); err == nil {
			r.addDamage(d)
		}
	}
	return errors.Join(err, f.Close())
}

// cut describes a segment anew whose file is shorter than it was.
func (r *Reader) cut(ctx context.Context, g *schemas.Segment, size int64) error {
	left := schemas.Segment{ID: g.ID, Table: g.Table, File: g.File, Sealed: g.Sealed}
	err := r.withSegment(g, size, g.Rows, func(s *segment.Reader) error {
		found, damage, err := s.Summarize(ctx)
		if err != nil {
			return err
		}
		for _, d := range damage {
			r.addDamage(d)
		}
		found.ID, found.Table, found.File, found.Sealed = g.ID, g.Table, g.File, g.Sealed
		if err := schemas.ValidateSegment(&found, r.content.Tables, r.content.Sites); err != nil {
			r.addDamage(missing(g, err.Error()))
			return nil
		}
		left = found
		return nil
	})
	*g = left
	return err
}

// useSealed describes a segment by the sealed file that was made of it.
func (r *Reader) useSealed(ctx context.Context, g *schemas.Segment, name string) error {
	size, err := r.source.size(name)
	if err != nil {
		return err
	}
	g.File = name
	if err := r.cut(ctx, g, size); err != nil {
		return err
	}
	g.Sealed = true
	return nil
}

// maxTails bounds the bytes that are searched for rows behind the committed ones, in all files together.
const maxTails = 1 << 30

// recoverTail adds to a segment the rows that are in its file behind what was committed.
func (r *Reader) recoverTail(ctx context.Context, g *schemas.Segment, size int64) error {
	if r.tails += size - int64(g.Bytes); r.tails > maxTails {
		r.note(fmt.Sprintf("%s was not searched for rows that were written after the last flush: there is too much of it", g.File))
		return nil
	}
	return r.withSegment(g, size, 0, func(s *segment.Reader) error {
		tail, err := r.prove(ctx, s, g)
		if err != nil || tail.Rows == 0 {
			return err
		}
		r.note(fmt.Sprintf("recovered %d rows of table %q that were written after the last flush, from %s", tail.Rows, r.content.Tables[g.Table].Name, g.File))
		if g.Rows == 0 {
			g.MinTime, g.MaxTime, g.MaxEnd = tail.MinTime, tail.MaxTime, tail.MaxEnd
		}
		g.Rows += tail.Rows
		g.Batches += tail.Batches
		g.Running += tail.Running
		g.Bytes = tail.Bytes
		g.MinTime, g.MaxTime, g.MaxEnd = min(g.MinTime, tail.MinTime), max(g.MaxTime, tail.MaxTime), max(g.MaxEnd, tail.MaxEnd)
		g.Sites = addCounts(g.Sites, tail.Sites)
		return nil
	})
}

// prove describes the batches of a segment behind the committed ones that are whole to the last byte, up to the first that is not. Bytes is
// where they end. A file that the power failed on may have gaps: nothing behind one is taken.
func (r *Reader) prove(ctx context.Context, s *segment.Reader, committed *schemas.Segment) (schemas.Segment, error) {
	from, until := int64(committed.Bytes), int64(math.MaxInt64)
	q := schemas.Query{From: math.MaxInt64, Base: schemas.ColBaseAll}
	for i := range s.Table().Fields {
		q.Fields = append(q.Fields, s.Table().Fields[i].Name)
	}
	for e, err := range s.Entries(ctx) {
		if corrupt, ok := errors.AsType[*segment.CorruptError](err); ok {
			if corrupt.Offset >= from {
				until = corrupt.Offset
				break
			}
			continue
		}
		if err != nil {
			return schemas.Segment{}, err
		}
		if e.Offset >= from {
			q.From, q.To = min(q.From, e.MinTime), max(q.To, e.MaxTime+1, e.MaxEnd+1)
		}
	}
	if q.To == 0 {
		return schemas.Segment{}, nil
	}
	var scanner segment.Scanner
	for _, err := range scanner.Scan(ctx, s, &q) {
		if corrupt, ok := errors.AsType[*segment.CorruptError](err); ok {
			if corrupt.Offset >= from {
				until = min(until, corrupt.Offset)
				break
			}
			continue
		}
		if err != nil {
			return schemas.Segment{}, err
		}
	}
	tail := schemas.Segment{ID: committed.ID, Table: committed.Table, File: committed.File, Bytes: committed.Bytes}
	for e, err := range s.Entries(ctx) {
		if _, ok := errors.AsType[*segment.CorruptError](err); ok {
			continue
		}
		if err != nil {
			return schemas.Segment{}, err
		}
		if e.Offset < from {
			continue
		}
		if e.Offset >= until || !r.ours(e, committed.Table) {
			break
		}
		if tail.Rows == 0 {
			tail.MinTime, tail.MaxTime, tail.MaxEnd = e.MinTime, e.MaxTime, e.MaxEnd
		}
		tail.Rows += uint64(e.Rows)
		tail.Batches++
		tail.Running += e.Running
		tail.Bytes = uint64(e.Offset + e.Length)
		tail.MinTime, tail.MaxTime, tail.MaxEnd = min(tail.MinTime, e.MinTime), max(tail.MaxTime, e.MaxTime), max(tail.MaxEnd, e.MaxEnd)
		tail.Sites = addCounts(tail.Sites, e.Sites)
	}
	return tail, nil
}

// ours reports whether a batch's facts are within the bounds, and its sites those of a table.
func (r *Reader) ours(e *segment.Entry, table schemas.TableID) bool {
	one := schemas.Segment{
		Table: table, File: "-", Rows: uint64(e.Rows), Batches: 1, MinTime: e.MinTime, MaxTime: e.MaxTime, MaxEnd: e.MaxEnd, Running: e.Running, Sites: e.Sites,
	}
	return schemas.ValidateSegment(&one, r.content.Tables, r.content.Sites) == nil
}

// addCounts adds counts of sites to others. Both are in the order of the sites, and so is the result.
func addCounts(a, b []schemas.SiteCount) []schemas.SiteCount {
	sum := make([]schemas.SiteCount, 0, len(a)+len(b))
	for len(a) > 0 || len(b) > 0 {
		switch {
		case len(b) == 0 || len(a) > 0 && a[0].Site < b[0].Site:
			sum, a = append(sum, a[0]), a[1:]
		case len(a) == 0 || b[0].Site < a[0].Site:
			sum, b = append(sum, b[0]), b[1:]
		default:
			sum = append(sum, schemas.SiteCount{Site: a[0].Site, Rows: a[0].Rows + b[0].Rows, Errors: a[0].Errors + b[0].Errors})
			a, b = a[1:], b[1:]
		}
	}
	return sum
}

// findStrays adds segments that the catalogue does not know, and that prove to be this capture's.
func (r *Reader) findStrays(ctx context.Context) error {
	if r.manifest.ID == "" {
		return nil // there is nothing to prove it by
	}
	names, err := r.source.segments()
	if err != nil {
		return err
	}
	ids, files := map[uint64]bool{}, map[string]bool{}
	for i := range r.content.Segments {
		ids[r.content.Segments[i].ID], files[r.content.Segments[i].File] = true, true
	}
	for _, name := range names {
		if files[name] || strings.HasSuffix(name, ".sealed.arrows") || len(r.content.Segments) >= schemas.MaxEventFiles {
			continue // a sealed one is a copy of one that is known
		}
		g, err := r.identify(name)
		if err != nil {
			return err
		}
		if g.File == "" || ids[g.ID] {
			continue
		}
		size, err := r.source.size(name)
		if err != nil {
			return err
		}
		if err := r.recoverTail(ctx, &g, size); err != nil {
			return err
		}
		if g.Rows > 0 {
			ids[g.ID] = true
			r.content.Segments = append(r.content.Segments, g)
			r.parts = append(r.parts, part{whole: true})
		}
	}
	// Numbers are given out in order, so what was begun after the last commit comes last; a salvaged catalogue may have lost any.
	order := make([]int, len(r.parts))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(r.content.Segments[a].ID, r.content.Segments[b].ID) })
	segments, parts := make([]schemas.Segment, len(order)), make([]part, len(order))
	for to, from := range order {
		segments[to], parts[to] = r.content.Segments[from], r.parts[from]
	}
	r.content.Segments, r.parts = segments, parts
	return nil
}

// identify reads which segment a file is. File is empty where it is none of this capture's.
func (r *Reader) identify(name string) (schemas.Segment, error) {
	f, err := r.source.open(name)
	if err != nil {
		return schemas.Segment{}, err
	}
	size, err := f.size()
	if err != nil {
		return schemas.Segment{}, errors.Join(err, f.Close())
	}
	var g schemas.Segment
	s, err := segment.Open(f, size, segment.Options{File: name})
	if err == nil {
		if t := s.Table(); s.ID().Capture == r.manifest.ID && int64(t.ID) < int64(len(r.content.Tables)) {
			g = schemas.Segment{ID: s.ID().Segment, Table: t.ID, File: name}
		}
	} else if _, told := damageOf(&g, err); told == nil {
		err = nil // it was being begun, or is nothing of ours
	}
	return g, errors.Join(err, f.Close())
}

// tellTail says what is known of the end of a recording that ended badly: nothing, after its last flush.
func (r *Reader) tellTail() {
	m := r.manifest
	last := m.Flushed + m.FlushNS
	for i := range r.content.Segments {
		if g := &r.content.Segments[i]; g.Rows > 0 {
			last = max(last, g.MaxTime+1)
		}
	}
	last = max(last, m.Flushed+1)
	r.content.Losses = append(r.content.Losses, schemas.Loss{From: m.Flushed, To: last, Reason: schemas.LossTail})
	r.note("the recording ended badly: what it missed after its last flush is not known")
}

func (r *Reader) note(text string) {
	r.content.Log = append(r.content.Log, schemas.LogEntry{Time: r.manifest.Flushed, Level: schemas.LogWarn, Text: text})
}

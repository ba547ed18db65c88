package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"slices"

	"probetape/schemas"
	"probetape/store/segment"
)

// part is how a segment is read. Its description is Segments()[i].
type part struct {
	whole bool // nothing of the file is known to be wrong
}

// Parts splits what a query selects into parts, a segment each, that may be read side by side. Damage is left out and told by Damage; an
// error ends the part.
func (r *Reader) Parts(ctx context.Context, q schemas.Query) []iter.Seq2[*schemas.Batch, error] {
	var parts []iter.Seq2[*schemas.Batch, error]
	for i := range r.content.Segments {
		g := &r.content.Segments[i]
		if g.Rows == 0 || q.Tables != nil && !slices.Contains(q.Tables, g.Table) || !segment.Selects(&q, g.MinTime, g.MaxEnd, g.Running, g.Sites) {
			continue
		}
		parts = append(parts, func(yield func(*schemas.Batch, error) bool) {
			if err := r.scan(ctx, i, &q, yield); err != nil {
				yield(nil, err)
			}
		})
	}
	return parts
}

// scan reads one segment. An error is for the caller to yield; nil also where yield had enough.
func (r *Reader) scan(ctx context.Context, i int, q *schemas.Query, yield func(*schemas.Batch, error) bool) error {
	g := &r.content.Segments[i]
	s, f, err := r.openSegment(i)
	if err != nil {
		return err
	}
	if s == nil {
		return nil
	}
	scanner, ok := r.scans.Get().(*segment.Scanner)
	if !ok {
		scanner = &segment.Scanner{}
	}
	defer r.scans.Put(scanner)
	for b, err := range scanner.Scan(ctx, s, q) {
		if corrupt, ok := errors.AsType[*segment.CorruptError](err); ok {
			r.addDamage(corrupt.Damage())
			continue
		}
		if err != nil {
			return errors.Join(fmt.Errorf("reading %s: %w", g.File, err), f.close())
		}
		if !yield(b, nil) {
			return f.close()
		}
	}
	return f.close()
}

// openedFile is an open segment's file, which is closed only where it is not held.
type openedFile struct {
	readFile
	held bool
}

func (f openedFile) close() error {
	if f.held {
		return nil
	}
	return f.Close()
}

// openSegment opens a segment. It returns nil where it cannot be read for damage, which is told.
func (r *Reader) openSegment(i int) (*segment.Reader, openedFile, error) {
	g := &r.content.Segments[i]
	f, held := r.held[g.ID]
	if !held {
		var err error
		f, err = r.source.open(g.File)
		if errors.Is(err, fs.ErrNotExist) {
			r.addDamage(missing(g, "the file is gone: it was there when the capture was opened"))
			return nil, openedFile{}, nil
		}
		if err != nil {
			return nil, openedFile{}, fmt.Errorf("reading the capture: %w", err)
		}
	}
	opened := openedFile{readFile: f, held: held}
	s, err := segment.Open(f, int64(g.Bytes), segment.Options{
		File: g.File, ID: r.identity(g.ID), Table: &r.content.Tables[g.Table], Sites: len(r.content.Sites),
		Rows: g.Rows, Sealed: g.Sealed && r.parts[i].whole,
	})
	if err == nil {
		return s, opened, nil
	}
	if err := opened.close(); err != nil {
		return nil, openedFile{}, err
	}
	d, err := damageOf(g, err)
	if err != nil {
		return nil, openedFile{}, err
	}
	r.addDamage(d)
	return nil, openedFile{}, nil
}

func (r *Reader) identity(id uint64) segment.Identity {
	return segment.Identity{Capture: r.manifest.ID, Segment: id}
}

// damageOf makes damage of an error of opening a segment, unless it is the system's.
func damageOf(g *schemas.Segment, err error) (schemas.Damage, error) {
	if corrupt, ok := errors.AsType[*segment.CorruptError](err); ok {
		return corrupt.Damage(), nil
	}
	_, version := errors.AsType[*segment.VersionError](err)
	if version || errors.Is(err, segment.ErrForeign) {
		return missing(g, err.Error()), nil
	}
	return schemas.Damage{}, err
}

// missing is the damage of a segment of which nothing can be read.
func missing(g *schemas.Segment, cause string) schemas.Damage {
	return schemas.Damage{File: g.File, Segment: g.ID, Rows: g.Rows, From: g.MinTime, To: g.MaxEnd, Cause: cause}
}

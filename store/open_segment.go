package store

import (
	"fmt"
	"strings"
	"time"

	"probetape/schemas"
	"probetape/store/segment"
)

// A segment of little is not ended for its age alone until it is much older: a quiet table would make more files than events.
const (
	minRotateBytes   = 1 << 20
	rotateSmallAfter = 10 // times SegmentAge
)

// openSegment is a table's segment that rows are being appended to.
type openSegment struct {
	table *schemas.Table
	file  string
	w     *segment.Writer
	made  time.Time
	named bool // its name survives a power failure

	synced   schemas.Segment // what is on the disk
	told     schemas.Segment // and of that, what the catalogue says
	from, to int64           // times of the rows that are not synced
}

// segmentFile is the name of a segment's file: that of the table, for people, and the segment's number.
func segmentFile(t *schemas.Table, id uint64, sealed bool) string {
	plain := func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' {
			return r
		}
		return '-'
	}
	name := strings.Map(plain, t.Name[:min(len(t.Name), 40)])
	kind := ""
	if sealed {
		kind = ".sealed"
	}
	return fmt.Sprintf("%s/%s-%06d%s.arrows", eventsDir, name, id, kind)
}

func newOpenSegment(d disk, id segment.Identity, t *schemas.Table, encoder *segment.Encoder) (*openSegment, error) {
	s := &openSegment{table: t, file: segmentFile(t, id.Segment, false), made: time.Now()}
	f, err := d.create(s.file)
	if err != nil {
		return nil, s.wrap(err)
	}
	if s.w, err = segment.NewWriter(f, id, t, encoder); err != nil {
		return nil, s.wrap(fmt.Errorf("%w; %w", err, f.Close()))
	}
	return s, nil
}

func (s *openSegment) wrap(err error) error { return &WriteError{File: s.file, Err: err} }

func (s *openSegment) append(b *schemas.Batch) error {
	if err := s.w.Append(b); err != nil {
		return s.wrap(err)
	}
	if s.w.Rows() == s.synced.Rows+uint64(b.Len) {
		s.from, s.to = b.Time[0], b.Time[0]
	}
	for _, t := range b.Time[:b.Len] {
		s.from, s.to = min(s.from, t), max(s.to, t)
	}
	return nil
}

// full reports whether the segment is to end.
func (s *openSegment) full(opts *CreateOptions) bool {
	age := time.Since(s.made)
	return s.w.Bytes() >= opts.SegmentBytes || age >= opts.SegmentAge && s.w.Bytes() >= minRotateBytes || age >= rotateSmallAfter*opts.SegmentAge
}

func (s *openSegment) sync() error {
	if err := s.w.Sync(); err != nil {
		return s.wrap(err)
	}
	s.describe()
	return nil
}

// finish ends the segment.
func (s *openSegment) finish() error {
	if err := s.w.Finish(); err != nil {
		return s.wrap(err)
	}
	s.describe()
	return nil
}

func (s *openSegment) describe() {
	s.synced = s.w.Segment()
	s.synced.File = s.file
}

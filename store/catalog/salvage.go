package catalog

import (
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"slices"
)

// salvaged reads values around a damaged tree: from every leaf that can be found in the file, whether a tree leads to it or not. A value
// proves by its checksum that it is one, in which bucket and under which key; of several for one key the one of the latest commit counts,
// which may be a commit that never ended.
type salvaged struct {
	r        io.ReaderAt
	size     int64
	places   [bucketCount]map[string]place
	found    int
	budget   int64 // bytes that may still be read
	problems []Problem
}

// place is where a value is.
type place struct {
	offset int64
	length int
	commit uint64
}

// Bounds of what is searched and remembered.
const (
	maxSearched = 1 << 30 // bytes
	maxSalvaged = 1 << 21 // keys
)

// salvage calls fn with what can be found in a file of so many bytes. The problems found before it come first.
func (f *File) salvage(size int64, problems []Problem, fn func(r rows, txid uint64) error) ([]Problem, error) {
	if size > maxSearched {
		problems = append(problems, Problem{Offset: maxSearched, Length: size - maxSearched, Cause: "the file is too large to be searched to its end"})
		size = maxSearched
	}
	// Pages that claim to go on over each other could be read over and over.
	s := &salvaged{r: f.r, size: size, budget: 4 * size, problems: problems}
	for b := range s.places {
		s.places[b] = map[string]place{}
	}
	if _, err := ReadPages(f.r, size); err != nil {
		if err := s.problem(Problem{Offset: 0, Length: 2 * writtenPageSize, Cause: err.Error()}); err != nil {
			return s.problems, err
		}
	}
	page := make([]byte, writtenPageSize)
	for at := int64(0); at < size; at += writtenPageSize {
		if err := s.page(page[:min(int64(len(page)), size-at)], at); err != nil {
			return s.problems, err
		}
	}
	if s.found == 0 {
		return s.problems, fmt.Errorf("reading %s: %w: no value of a catalogue is in it", FileName, ErrDamaged)
	}
	return s.problems, fn(s, 0)
}

func (s *salvaged) problem(p Problem) error {
	if len(s.problems) < maxProblems && !slices.Contains(s.problems, p) {
		s.problems = append(s.problems, p)
	}
	return nil
}

// page takes what values are in the page at a place, if it is a leaf. data is where to read it.
func (s *salvaged) page(data []byte, at int64) error {
	if err := readFull(s.r, data, at); err != nil {
		return s.problem(Problem{Offset: at, Length: int64(len(data)), Cause: err.Error()})
	}
	if len(data) < pageHeader || binary.LittleEndian.Uint16(data[8:]) != flagLeaf {
		return nil
	}
	if overflow := int64(binary.LittleEndian.Uint32(data[12:])); overflow > 0 {
		length := min((overflow+1)*writtenPageSize, s.size-at)
		if length > maxPageBytes || length > s.budget {
			return nil
		}
		s.budget -= length
		data = make([]byte, length)
		if err := readFull(s.r, data, at); err != nil {
			return nil // its parts are met, and told, on their own
		}
	}
	return s.leaf(&page{
		offset: at, data: data, flags: flagLeaf,
		count: min(int(binary.LittleEndian.Uint16(data[10:])), (len(data)-pageHeader)/elementSize),
	}, false)
}

// inlinePage returns the page that is in a bucket's value, nil where there is none.
func inlinePage(p *page, value []byte, at int) *page {
	if len(value) < bucketHeader+pageHeader || binary.LittleEndian.Uint64(value) != 0 {
		return nil
	}
	data := value[bucketHeader:]
	return &page{
		offset: p.offset + int64(at+bucketHeader), data: data, flags: flagLeaf,
		count: min(int(binary.LittleEndian.Uint16(data[10:])), (len(data)-pageHeader)/elementSize),
	}
}

// leaf takes the values of a leaf that prove themselves. inline: it is in the value of another.
func (s *salvaged) leaf(p *page, inline bool) error {
	for i := range p.count {
		key, value, isBucket, at, err := p.element(i)
		if err != nil {
			continue
		}
		if isBucket {
			// A small bucket's page is in the value; it holds no further bucket.
			if page := inlinePage(p, value, at); page != nil && !inline {
				if err := s.leaf(page, true); err != nil {
					return err
				}
			}
			continue
		}
		for b := range bucketCount {
			_, commit, err := unframe(b, key, value)
			if err != nil {
				continue
			}
			old, known := s.places[b][string(key)]
			if !known {
				if s.found++; s.found > maxSalvaged {
					return fmt.Errorf("reading %s: %w: more than %d values", FileName, ErrDamaged, maxSalvaged)
				}
			}
			if !known || commit >= old.commit {
				s.places[b][string(key)] = place{offset: p.offset + int64(at), length: len(value), commit: commit}
			}
			break
		}
	}
	return nil
}

func (s *salvaged) each(b bucket, fn func(key, body []byte, offset int64) error) error {
	var buf []byte
	for _, key := range slices.Sorted(maps.Keys(s.places[b])) {
		at := s.places[b][key]
		buf = slices.Grow(buf[:0], at.length)[:at.length]
		if err := readFull(s.r, buf, at.offset); err != nil {
			return err
		}
		body, _, err := unframe(b, []byte(key), buf)
		if err != nil {
			return fmt.Errorf("reading %s: %w", FileName, err) // it has just been right: the file is being changed
		}
		if err := fn([]byte(key), body, at.offset); err != nil {
			return err
		}
	}
	return nil
}

package debuginfo

import (
	"debug/dwarf"
	"fmt"
)

// walker reads entries in the order of the file, and only ever forwards.
//
// dwarf.Reader does not promise that: an entry says where its next sibling is, and a damaged file can say that it is behind, for ever. And
// where a number is cut by the end of a section, it delivers ends of children (the tag 0) without end.
type walker struct {
	r    *dwarf.Reader
	last dwarf.Offset // of the latest entry with a tag
	any  bool         // there was one
	ends int          // entries without a tag since then
}

// maxEnds is more ends of children than follow each other, padding between units included.
const maxEnds = 1 << 16

// walk returns a walker at the beginning of the debug information.
func (i *Info) walk() *walker { return &walker{r: i.data.Reader()} }

// next returns the next entry, one with the tag 0 where the children of an entry end; nil: there are no more.
func (w *walker) next() (*dwarf.Entry, error) {
	e, err := w.r.Next()
	if err != nil || e == nil {
		return nil, err
	}
	if e.Tag == 0 { // it has no offset
		if w.ends++; w.ends > maxEnds {
			return nil, fmt.Errorf("only ends behind the entry at %#x", w.last)
		}
		return e, nil
	}
	if w.any && e.Offset <= w.last {
		return nil, fmt.Errorf("the entry at %#x is before the one at %#x that leads to it", e.Offset, w.last)
	}
	w.last, w.any, w.ends = e.Offset, true, 0
	return e, nil
}

// skip goes on behind the children of the entry that next has just returned.
func (w *walker) skip(e *dwarf.Entry) error {
	if !e.Children {
		return nil
	}
	if sibling, ok := e.Val(dwarf.AttrSibling).(dwarf.Offset); ok && sibling > e.Offset {
		w.r.Seek(sibling)
		return nil
	}
	for depth := 1; depth > 0; {
		child, err := w.next()
		switch {
		case err != nil:
			return err
		case child == nil:
			return nil
		case child.Tag == 0:
			depth--
		case child.Children:
			depth++
		}
	}
	return nil
}

// to goes to the entry at an offset and returns it.
func (w *walker) to(off dwarf.Offset) (*dwarf.Entry, error) {
	w.r.Seek(off)
	w.any, w.ends = false, 0
	e, err := w.next()
	if err == nil && e == nil {
		err = fmt.Errorf("there is no entry at %#x", off)
	}
	return e, err
}

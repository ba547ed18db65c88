package debuginfo

import (
	"bytes"
	"debug/dwarf"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/cilium/ebpf/btf"

	"probetape/record/host/elfsym"
)

// Info is the debug information of one file. It is safe for concurrent use.
type Info struct {
	data  *dwarf.Data
	strs  []byte // .debug_str, for files that share it
	alt   *Info  // what several files share (dwz); nil: none
	split bool   // the units' contents are in other files (.dwo)
}

// maxSection is the most bytes of one section of debug information that is read: the largest programs (browsers) are beyond it, and reading
// more would take memory from the host that is in trouble.
const maxSection = 256 << 20

// The sections that tell of functions and types. Line tables and locations of variables are not among them.
var (
	needed   = []string{".debug_abbrev", ".debug_info", ".debug_ranges", ".debug_str"}
	optional = []string{".debug_addr", ".debug_line_str", ".debug_str_offsets", ".debug_rnglists"}
)

// Has reports whether a file has debug information of functions and types.
func Has(f *elfsym.File) bool { return f != nil && f.Section(".debug_info") != nil }

// New reads a file's debug information. alt is the file of what several share, as AltLink names it; nil: there is none.
func New(f, alt *elfsym.File) (*Info, error) {
	i, err := load(f)
	if err != nil {
		return nil, err
	}
	if alt != nil {
		if i.alt, err = load(alt); err != nil {
			return nil, fmt.Errorf("in the shared file: %w", err)
		}
	}
	return i, nil
}

func load(f *elfsym.File) (*Info, error) {
	if !Has(f) {
		return nil, fmt.Errorf("reading debug information: there is none: %w", fs.ErrNotExist)
	}
	read := func(name string) ([]byte, error) {
		s := f.Section(name)
		if s == nil {
			return nil, nil
		}
		return f.Data(s, maxSection)
	}
	var parts [4][]byte
	for i, name := range needed {
		var err error
		if parts[i], err = read(name); err != nil {
			return nil, fmt.Errorf("reading debug information: %w", err)
		}
	}
	out := &Info{strs: parts[3], split: f.Section(".debug_info.dwo") != nil}
	err := guarded(func() error {
		var err error
		if out.data, err = dwarf.New(parts[0], nil, nil, parts[1], nil, nil, parts[2], parts[3]); err != nil {
			return err
		}
		for _, name := range optional {
			contents, err := read(name)
			if err != nil {
				return err
			}
			if contents == nil {
				continue
			}
			if err := out.data.AddSection(name, contents); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading debug information: %w", err)
	}
	return out, nil
}

// guarded turns a panic of debug/dwarf into an error: it returns errors for most of what can be wrong with a file, not for all.
func guarded(do func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("its structure is damaged: %v", r)
		}
	}()
	return do()
}

// AltLink returns the path, and the build-id in hex, of the file that holds what several debug files share; empty: there is none.
func AltLink(f *elfsym.File) (path string, buildID string, err error) {
	s := f.Section(".gnu_debugaltlink")
	if s == nil {
		return "", "", nil
	}
	data, err := f.Data(s, 1<<13)
	if err != nil {
		return "", "", err
	}
	name, id, ok := bytes.Cut(data, []byte{0})
	if !ok {
		return "", "", errors.New("reading section .gnu_debugaltlink: no path")
	}
	return string(name), fmt.Sprintf("%x", id), nil
}

// NotFoundError says that the debug information has no function at an address.
type NotFoundError struct{ Split bool }

func (e *NotFoundError) Error() string {
	if e.Split {
		return "debug information is in separate .dwo files, which are not read"
	}
	return "debug information does not describe the function"
}

// Is makes it an fs.ErrNotExist.
func (e *NotFoundError) Is(target error) bool { return target == fs.ErrNotExist }

// Proto returns the parameters and the result of the function that begins at an address. A parameter of unknown type is btf.Void, a number in floating
// point btf.Float; the last parameter without name and type (btf.Void) stands for "...".
func (i *Info) Proto(addr uint64) (*btf.FuncProto, error) {
	var proto *btf.FuncProto
	err := guarded(func() error {
		e, r, err := i.function(addr)
		if err != nil {
			return err
		}
		proto, err = i.proto(e, r)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("reading debug information: %w", err)
	}
	return proto, nil
}

// function finds the entry of the function that begins at an address, and a walker behind it.
func (i *Info) function(addr uint64) (*dwarf.Entry, *walker, error) {
	w := i.walk()
	unit, err := w.r.SeekPC(addr)
	switch {
	case errors.Is(err, dwarf.ErrUnknownPC):
		// In DWARF 2 a unit cannot say that its code is in several places: look into all of them.
		return i.anyFunction(addr)
	case err != nil:
		return nil, nil, err
	case isSplit(unit):
		return nil, nil, &NotFoundError{Split: true}
	}
	e, err := i.functionIn(w, addr)
	if err == nil && e == nil {
		err = &NotFoundError{}
	}
	return e, w, err
}

// anyFunction looks into the units that do not list where all of their code is.
func (i *Info) anyFunction(addr uint64) (*dwarf.Entry, *walker, error) {
	split := i.split
	for w := i.walk(); ; {
		unit, err := w.next()
		if err != nil {
			return nil, nil, err
		}
		if unit == nil {
			return nil, nil, &NotFoundError{Split: split}
		}
		split = split || isSplit(unit)
		if !unit.Children {
			continue
		}
		if unit.Val(dwarf.AttrRanges) != nil {
			if err := w.skip(unit); err != nil {
				return nil, nil, err
			}
			continue
		}
		e, err := i.functionIn(w, addr)
		if err != nil || e != nil {
			return e, w, err
		}
	}
}

// functionIn finds a function among the rest of a unit; nil: it is not there.
func (i *Info) functionIn(w *walker, addr uint64) (*dwarf.Entry, error) {
	for depth := 1; depth > 0; {
		e, err := w.next()
		switch {
		case err != nil:
			return nil, err
		case e == nil:
			return nil, nil
		case e.Tag == 0:
			depth--
		case e.Tag == dwarf.TagSubprogram && i.begins(e, addr):
			return e, nil
		case e.Children && holdsFunctions(e.Tag):
			depth++
		default:
			if err := w.skip(e); err != nil {
				return nil, err
			}
		}
	}
	return nil, nil
}

// isSplit reports whether a unit only names the .dwo file that it is in.
func isSplit(unit *dwarf.Entry) bool {
	const gnuDwoName = dwarf.Attr(0x2130)
	return unit != nil && (unit.Val(dwarf.AttrDwoName) != nil || unit.Val(gnuDwoName) != nil)
}

// holdsFunctions reports whether entries of functions lie below an entry.
func holdsFunctions(tag dwarf.Tag) bool {
	switch tag {
	case dwarf.TagCompileUnit, dwarf.TagPartialUnit, dwarf.TagNamespace, dwarf.TagModule, dwarf.TagStructType, dwarf.TagClassType, dwarf.TagUnionType:
		return true
	}
	return false
}

// begins reports whether a function's code begins at an address. Functions in several parts (hot and cold) begin with the first.
func (i *Info) begins(e *dwarf.Entry, addr uint64) bool {
	if low, ok := e.Val(dwarf.AttrLowpc).(uint64); ok {
		return low == addr
	}
	if e.Val(dwarf.AttrRanges) == nil {
		return false
	}
	ranges, err := i.data.Ranges(e)
	return err == nil && len(ranges) > 0 && ranges[0][0] == addr
}

// text returns an attribute that is a text, of the shared file where it is there.
func (i *Info) text(e *dwarf.Entry, a dwarf.Attr) string {
	f := e.AttrField(a)
	if f == nil {
		return ""
	}
	switch v := f.Val.(type) {
	case string:
		return v
	case int64:
		if f.Class == dwarf.ClassStringAlt && i.alt != nil && v >= 0 && v < int64(len(i.alt.strs)) {
			text, _, _ := bytes.Cut(i.alt.strs[v:], []byte{0})
			return string(text[:min(len(text), maxText)])
		}
	}
	return ""
}

// maxText is the most bytes of a name that is kept.
const maxText = 1 << 12

// origin returns the entry that an entry completes: the abstract function of an inlined or cloned one, or a method's declaration.
func (i *Info) origin(e *dwarf.Entry) (*Info, dwarf.Offset, bool) {
	for _, a := range []dwarf.Attr{dwarf.AttrAbstractOrigin, dwarf.AttrSpecification} {
		if at, off, ok := i.reference(e, a); ok {
			return at, off, true
		}
	}
	return nil, 0, false
}

// reference follows an attribute to another entry.
func (i *Info) reference(e *dwarf.Entry, a dwarf.Attr) (*Info, dwarf.Offset, bool) {
	f := e.AttrField(a)
	if f == nil {
		return nil, 0, false
	}
	switch v := f.Val.(type) {
	case dwarf.Offset:
		return i, v, true
	case int64:
		if f.Class == dwarf.ClassReferenceAlt && i.alt != nil {
			return i.alt, dwarf.Offset(v), true
		}
	}
	return nil, 0, false
}

// entry reads the entry at an offset, and returns a walker behind it.
func (i *Info) entry(off dwarf.Offset) (*dwarf.Entry, *walker, error) {
	w := i.walk()
	e, err := w.to(off)
	return e, w, err
}

// Inlined is a function without code of its own.
type Inlined struct {
	Name string
	Into []string // functions that hold its code, at most maxInto
}

// maxInto is how many functions Inlined names.
const maxInto = 5

// Inlined looks for a function that the compiler made part of others everywhere; nil: there is none of that name. It reads through all of the debug
// information: 50 ms for libc, seconds for the largest programs.
func (i *Info) Inlined(name string) (*Inlined, error) {
	var found *Inlined
	err := guarded(func() error {
		var err error
		found, err = i.inlined(name)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("reading debug information: %w", err)
	}
	return found, nil
}

func (i *Info) inlined(name string) (*Inlined, error) {
	if name == "" {
		return nil, nil
	}
	origins := map[dwarf.Offset]bool{}
	err := i.each(func(e *dwarf.Entry, _ *dwarf.Entry) {
		if e.Tag == dwarf.TagSubprogram && e.Val(dwarf.AttrInline) != nil && i.named(e, name) {
			if inline, ok := e.Val(dwarf.AttrInline).(int64); ok && inline&1 != 0 { // DW_INL_inlined, DW_INL_declared_inlined
				origins[e.Offset] = true
			}
		}
	})
	if err != nil || len(origins) == 0 {
		return nil, err
	}
	found := &Inlined{Name: name}
	err = i.each(func(e, function *dwarf.Entry) {
		if e.Tag != dwarf.TagInlinedSubroutine || function == nil || len(found.Into) == maxInto {
			return
		}
		at, off, ok := i.reference(e, dwarf.AttrAbstractOrigin)
		if !ok || at != i || !origins[off] {
			return
		}
		into := i.nameOf(function)
		if into == "" {
			return
		}
		for _, have := range found.Into {
			if have == into {
				return
			}
		}
		found.Into = append(found.Into, into)
	})
	return found, err
}

// each hands every entry to fn, with the function with code that it lies in; nil: in none.
func (i *Info) each(fn func(e, function *dwarf.Entry)) error {
	w := i.walk()
	depth, at := 0, 0
	var function *dwarf.Entry
	for {
		e, err := w.next()
		if err != nil || e == nil {
			return err
		}
		if e.Tag == 0 {
			if depth--; depth <= at {
				function = nil
			}
			continue
		}
		fn(e, function)
		if !e.Children {
			continue
		}
		switch e.Tag {
		case dwarf.TagSubprogram:
			if function == nil && (e.Val(dwarf.AttrLowpc) != nil || e.Val(dwarf.AttrRanges) != nil) {
				function, at = e, depth
			}
		case dwarf.TagEnumerationType, dwarf.TagArrayType, dwarf.TagSubroutineType:
			if err := w.skip(e); err != nil {
				return err
			}
			continue
		}
		depth++
	}
}

// named reports whether a function has a name, in the source or for the linker.
func (i *Info) named(e *dwarf.Entry, name string) bool {
	return i.text(e, dwarf.AttrName) == name || i.text(e, dwarf.AttrLinkageName) == name
}

// nameOf returns a function's name in the source.
func (i *Info) nameOf(e *dwarf.Entry) string {
	at := i
	for range maxOrigins {
		if name := at.text(e, dwarf.AttrName); name != "" {
			return strings.ToValidUTF8(name, "?")
		}
		next, off, ok := at.origin(e)
		if !ok {
			return ""
		}
		var err error
		if e, _, err = next.entry(off); err != nil {
			return ""
		}
		at = next
	}
	return ""
}

// maxOrigins is how many entries complete each other at most: a clone, its abstract function, that one's declaration.
const maxOrigins = 4

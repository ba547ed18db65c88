package elfsym

import (
	"bytes"
	"debug/elf"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// Note is an entry of a note section or segment.
type Note struct {
	Name string
	Type uint32
	Desc []byte
}

// Notes reads the entries of note bytes, whose names and descriptions are padded to 4 bytes, also in 64-bit files, as GNU tools write them.
// It returns those before the first that is cut, and that one's error.
func Notes(data []byte) ([]Note, error) {
	var notes []Note
	const head = 12
	for len(data) >= head {
		name, desc, kind := uint64(u32(data, 0)), uint64(u32(data, 4)), u32(data, 8)
		data = data[head:]
		padded, size := pad4(name), uint64(len(data))
		if name > size || padded > size || desc > size-padded {
			return notes, fmt.Errorf("reading notes: the %dth is cut", len(notes)+1)
		}
		notes = append(notes, Note{
			Name: string(bytes.TrimRight(data[:name], "\x00")), Type: kind, Desc: data[padded : padded+desc],
		})
		data = data[min(padded+pad4(desc), size):]
	}
	return notes, nil
}

func pad4(n uint64) uint64 { return (n + 3) &^ 3 }

// maxNotes is the most bytes of one note section that is read: libjvm, which has the most, has 60 KiB.
const maxNotes = 16 << 20

// SectionNotes reads the notes of a section; nil where there is no such section.
func (f *File) SectionNotes(name string) ([]Note, error) {
	s := f.Section(name)
	if s == nil {
		return nil, nil
	}
	data, err := f.Data(s, maxNotes)
	if err != nil {
		return nil, err
	}
	notes, err := Notes(data)
	if err != nil {
		return notes, fmt.Errorf("section %s: %w", name, err)
	}
	return notes, nil
}

// noteGNUBuildID is NT_GNU_BUILD_ID.
const noteGNUBuildID = 3

// BuildID returns the identity that the linker gave the file, in hex; empty: it has none. It is read from the segments, which strip leaves.
func (f *File) BuildID() (string, error) {
	for i := range f.segments {
		p := &f.segments[i]
		if p.Type != elf.PT_NOTE || p.Filesz > maxNotes {
			continue
		}
		data, err := f.read("notes", p.Off, p.Filesz)
		if err != nil {
			return "", err
		}
		if id := buildID(data); id != "" {
			return id, nil
		}
	}
	// Separate debug files have no segment with it, a section only.
	for i := range f.sections {
		s := &f.sections[i]
		if s.Type != elf.SHT_NOTE || s.Size > maxNotes {
			continue
		}
		data, err := f.Data(s, maxNotes)
		if err != nil {
			return "", err
		}
		if id := buildID(data); id != "" {
			return id, nil
		}
	}
	return "", nil
}

func buildID(data []byte) string {
	// Notes of other kinds may be padded to 8 bytes: what is read before one that cannot be read counts.
	notes, err := Notes(data)
	if err != nil && len(notes) == 0 {
		return ""
	}
	for _, n := range notes {
		if n.Name == "GNU" && n.Type == noteGNUBuildID && len(n.Desc) >= 2 && len(n.Desc) <= 64 {
			return hex.EncodeToString(n.Desc)
		}
	}
	return ""
}

// DebugLink returns the name of the file that the debug information was moved to, and that file's CRC-32; ok false: the file says nothing.
func (f *File) DebugLink() (name string, sum uint32, ok bool, err error) {
	s := f.Section(".gnu_debuglink")
	if s == nil {
		return "", 0, false, nil
	}
	data, err := f.Data(s, 1<<12)
	if err != nil {
		return "", 0, false, err
	}
	end := bytes.IndexByte(data, 0)
	if end < 1 || bytes.IndexByte(data[:end], '/') >= 0 || int(pad4(uint64(end+1)))+4 > len(data) {
		return "", 0, false, errors.New("reading section .gnu_debuglink: no name and checksum")
	}
	return string(data[:end]), u32(data, int(pad4(uint64(end+1)))), true, nil
}

// Checksum returns the CRC-32 of the whole file, as DebugLink names it.
func (f *File) Checksum() (uint32, error) {
	sum := crc32.NewIEEE()
	_, err := io.Copy(sum, io.NewSectionReader(f.r, 0, int64(f.size)))
	return sum.Sum32(), err
}

// Linkage is how a program or library is put together.
type Linkage struct {
	Interpreter string   // the dynamic loader; empty: none
	Needed      []string // libraries that it is loaded with
	Soname      string   // of a library
	PIE         bool     // a program that runs at any address
}

// Static reports whether a program comes without a dynamic loader and libraries. A library has no loader either: it is none.
func (l *Linkage) Static(f *File) bool {
	return l.Interpreter == "" && len(l.Needed) == 0 && (f.kind == elf.ET_EXEC || l.PIE)
}

// maxDynamic is the most bytes of the dynamic section that are read.
const maxDynamic = 1 << 20

// Linkage reads the dynamic section.
func (f *File) Linkage() (*Linkage, error) {
	l := &Linkage{}
	var dynamic []byte
	for i := range f.segments {
		p := &f.segments[i]
		var err error
		switch {
		case p.Type == elf.PT_INTERP && p.Filesz <= 1<<12:
			var data []byte
			data, err = f.read("the interpreter's name", p.Off, p.Filesz)
			l.Interpreter = string(bytes.TrimRight(data, "\x00"))
		case p.Type == elf.PT_DYNAMIC && p.Filesz <= maxDynamic:
			dynamic, err = f.read("the dynamic section", p.Off, p.Filesz)
		}
		if err != nil {
			return nil, err
		}
	}
	var table uint64
	var needed []uint64
	var soname uint64
entries:
	for ; len(dynamic) >= 16; dynamic = dynamic[16:] {
		tag, value := elf.DynTag(u64(dynamic, 0)), u64(dynamic, 8)
		switch tag {
		case elf.DT_NULL:
			break entries
		case elf.DT_STRTAB:
			table = value
		case elf.DT_NEEDED:
			needed = append(needed, value)
		case elf.DT_SONAME:
			soname = value
		case elf.DT_FLAGS_1:
			l.PIE = l.PIE || elf.DynFlag1(value)&elf.DF_1_PIE != 0
		}
	}
	off, ok := f.DataOffset(table)
	if !ok || len(needed) > 1<<12 {
		return l, nil
	}
	l.PIE = l.PIE || f.kind == elf.ET_DYN && l.Interpreter != "" && soname == 0
	for _, n := range needed {
		l.Needed = append(l.Needed, f.text(off+n))
	}
	if soname != 0 {
		l.Soname = f.text(off + soname)
	}
	return l, nil
}

// text returns the string at an offset of the file, at most 255 bytes of it.
func (f *File) text(off uint64) string {
	if off >= f.size {
		return ""
	}
	data, err := f.read("a name", off, min(256, f.size-off))
	if err != nil {
		return ""
	}
	name, _, ok := bytes.Cut(data, []byte{0})
	if !ok {
		return ""
	}
	return string(name)
}

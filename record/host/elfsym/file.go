package elfsym

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// File is an open program or library. It is not changed by reading: several goroutines may use it.
type File struct {
	r    io.ReaderAt
	size uint64
	file *os.File    // of Open, else nil
	info os.FileInfo // of file, when it was opened

	kind     elf.Type
	segments []elf.ProgHeader
	sections []Section
}

// Section is a part of a file for tools. Addr is its virtual address, 0 where it is not loaded.
type Section struct {
	Name   string
	Type   elf.SectionType
	Flags  elf.SectionFlag
	Addr   uint64
	Offset uint64
	Size   uint64 // in the file, 0 for SHT_NOBITS
	Link   uint32
	Info   uint32
}

// FormatError says why a file is no program or library that probes can be placed in.
type FormatError struct {
	Why  string // "is a script for /bin/sh, not an ELF file"
	Tips []string
}

func (e *FormatError) Error() string { return e.Why }

// Hints says what to do instead.
func (e *FormatError) Hints() []string { return e.Tips }

// Bounds of what is read. Real files stay far below them.
const (
	maxSegments = 1 << 12
	maxSections = 1 << 16
	maxTable    = 1 << 29 // bytes of one section
	maxName     = 64      // of a section
)

// Open opens the file at a path.
func Open(path string) (*File, error) {
	// Looked at before it is opened: opening a pipe would wait for its writer.
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	switch {
	case info.IsDir():
		return nil, &FormatError{Why: "is a folder"}
	case !info.Mode().IsRegular():
		return nil, &FormatError{Why: "is no regular file"}
	}
	r, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	var f *File
	if info, err = r.Stat(); err == nil {
		f, err = New(r, info.Size())
	}
	if err != nil {
		return nil, errors.Join(err, r.Close())
	}
	f.file, f.info = r, info
	return f, nil
}

// Close closes what Open opened.
func (f *File) Close() error {
	if f.file == nil {
		return nil
	}
	return f.file.Close()
}

// Same reports whether both were opened from one file that was not written to in between.
func (f *File) Same(other *File) bool {
	a, b := f.info, other.info
	return a != nil && b != nil && os.SameFile(a, b) && a.ModTime().Equal(b.ModTime()) && a.Size() == b.Size()
}

// New reads the headers of a file of size bytes.
func New(r io.ReaderAt, size int64) (*File, error) {
	f := &File{r: r, size: uint64(max(size, 0))}
	head := make([]byte, min(f.size, 256))
	if _, err := r.ReadAt(head, 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("reading the ELF header: %w", err)
	}
	if err := checkIdent(head); err != nil {
		return nil, err
	}
	var h elf.Header64
	if err := binary.Read(bytes.NewReader(head), binary.LittleEndian, &h); err != nil {
		return nil, &FormatError{Why: "is an ELF file with a header that is cut"}
	}
	f.kind = elf.Type(h.Type)
	switch f.kind {
	case elf.ET_EXEC, elf.ET_DYN:
	case elf.ET_REL:
		return nil, &FormatError{Why: "is an object file that is not linked: it does not run"}
	case elf.ET_CORE:
		return nil, &FormatError{Why: "is a core dump, not a program"}
	default:
		return nil, &FormatError{Why: fmt.Sprintf("is an ELF file of an unknown type (%d)", h.Type)}
	}
	if err := f.readSegments(&h); err != nil {
		return nil, err
	}
	return f, f.readSections(&h)
}

// checkIdent says whether a file is for the machine that probes run on.
func checkIdent(head []byte) error {
	if len(head) < elf.EI_NIDENT || string(head[:4]) != elf.ELFMAG {
		if interpreter, ok := bytes.CutPrefix(head, []byte("#!")); ok {
			line, _, _ := strings.Cut(string(interpreter), "\n")
			words := strings.Fields(line)
			if len(words) > 0 {
				return &FormatError{
					Why:  "is a script for " + words[len(words)-1] + ", not an ELF file",
					Tips: []string{"functions of a script are not functions of the machine: place the probe in its interpreter"},
				}
			}
		}
		return &FormatError{Why: "is not an ELF file"}
	}
	if elf.Data(head[elf.EI_DATA]) != elf.ELFDATA2LSB {
		return &FormatError{Why: "is for a big-endian machine"}
	}
	var machine elf.Machine
	if len(head) >= 20 {
		machine = elf.Machine(binary.LittleEndian.Uint16(head[18:]))
	}
	switch {
	case machine == elf.EM_X86_64 && elf.Class(head[elf.EI_CLASS]) == elf.ELFCLASS64:
		return nil
	case machine == elf.EM_386:
		return &FormatError{Why: "is a 32-bit program (i386): user probes are placed in x86-64 programs"}
	case machine == elf.EM_X86_64:
		return &FormatError{Why: "is a 32-bit program for x86-64 (x32): user probes are placed in 64-bit programs"}
	}
	return &FormatError{Why: "is for another machine (" + strings.TrimPrefix(machine.String(), "EM_") + "), not x86-64"}
}

// readTable returns count entries of entry bytes each.
func (f *File) readTable(what string, off uint64, count, entry, least int) ([]byte, error) {
	if count == 0 {
		return nil, nil
	}
	if entry < least {
		return nil, fmt.Errorf("reading %s: entries of %d bytes, want at least %d", what, entry, least)
	}
	return f.read(what, off, uint64(count)*uint64(entry))
}

// read returns bytes of the file; a range that is not inside is an error before memory is taken.
func (f *File) read(what string, off, size uint64) ([]byte, error) {
	if off > f.size || size > f.size-off {
		return nil, fmt.Errorf("reading %s: %d bytes at %#x are outside of the file's %d", what, size, off, f.size)
	}
	if size > maxTable {
		return nil, fmt.Errorf("reading %s: it has %d bytes; at most %d are read", what, size, uint64(maxTable))
	}
	data := make([]byte, size)
	if _, err := f.r.ReadAt(data, int64(off)); err != nil {
		return nil, fmt.Errorf("reading %s: %w", what, err)
	}
	return data, nil
}

func (f *File) readSegments(h *elf.Header64) error {
	if h.Phnum > maxSegments {
		return fmt.Errorf("reading program headers: there are %d; at most %d are read", h.Phnum, maxSegments)
	}
	const size = 56
	data, err := f.readTable("program headers", h.Phoff, int(h.Phnum), int(h.Phentsize), size)
	if err != nil {
		return err
	}
	for ; len(data) >= size; data = data[min(int(h.Phentsize), len(data)):] {
		p := elf.ProgHeader{
			Type: elf.ProgType(u32(data, 0)), Flags: elf.ProgFlag(u32(data, 4)),
			Off: u64(data, 8), Vaddr: u64(data, 16), Paddr: u64(data, 24), Filesz: u64(data, 32), Memsz: u64(data, 40), Align: u64(data, 48),
		}
		f.segments = append(f.segments, p)
	}
	return nil
}

func (f *File) readSections(h *elf.Header64) error {
	const size = 64
	count, names := uint64(h.Shnum), uint32(h.Shstrndx)
	if h.Shoff == 0 {
		return nil // taken out (sstrip): there are segments only
	}
	if count == 0 || names == uint32(elf.SHN_XINDEX) {
		// Numbers that do not fit are in the first entry; see elf(5).
		first, err := f.readTable("section headers", h.Shoff, 1, int(h.Shentsize), size)
		if err != nil {
			return err
		}
		if count == 0 {
			count = u64(first, 32)
		}
		if names == uint32(elf.SHN_XINDEX) {
			names = u32(first, 40)
		}
	}
	if count > maxSections {
		return fmt.Errorf("reading section headers: there are %d; at most %d are read", count, maxSections)
	}
	data, err := f.readTable("section headers", h.Shoff, int(count), int(h.Shentsize), size)
	if err != nil {
		return err
	}
	offsets := make([]uint32, 0, count)
	for ; len(data) >= size; data = data[min(int(h.Shentsize), len(data)):] {
		s := Section{
			Type: elf.SectionType(u32(data, 4)), Flags: elf.SectionFlag(u64(data, 8)), Addr: u64(data, 16),
			Offset: u64(data, 24), Size: u64(data, 32), Link: u32(data, 40), Info: u32(data, 44),
		}
		if s.Type == elf.SHT_NOBITS {
			s.Size = 0
		}
		offsets = append(offsets, u32(data, 0))
		f.sections = append(f.sections, s)
	}
	if uint64(names) >= uint64(len(f.sections)) || names == 0 {
		return nil
	}
	table, err := f.read("section names", f.sections[names].Offset, f.sections[names].Size)
	if err != nil {
		return err
	}
	for i := range f.sections {
		if off := uint64(offsets[i]); off < uint64(len(table)) {
			name := table[off:min(off+maxName, uint64(len(table)))]
			if end := bytes.IndexByte(name, 0); end >= 0 {
				f.sections[i].Name = string(name[:end])
			}
		}
	}
	return nil
}

func u16(b []byte, off int) uint16 { return binary.LittleEndian.Uint16(b[off:]) }
func u32(b []byte, off int) uint32 { return binary.LittleEndian.Uint32(b[off:]) }
func u64(b []byte, off int) uint64 { return binary.LittleEndian.Uint64(b[off:]) }

// Section returns the first section of a name, nil where there is none.
func (f *File) Section(name string) *Section {
	for i := range f.sections {
		if f.sections[i].Name == name {
			return &f.sections[i]
		}
	}
	return nil
}

// Code returns the segments that are loaded as code.
func (f *File) Code() []elf.ProgHeader {
	var code []elf.ProgHeader
	for _, p := range f.segments {
		if p.Type == elf.PT_LOAD && p.Flags&elf.PF_X != 0 {
			code = append(code, p)
		}
	}
	return code
}

// FileOffset returns where in the file the byte at a virtual address of code lies. It is what the kernel's uprobes want.
func (f *File) FileOffset(addr uint64) (uint64, bool) { return f.offset(addr, elf.PF_X) }

// DataOffset does so for an address of any loaded segment.
func (f *File) DataOffset(addr uint64) (uint64, bool) { return f.offset(addr, 0) }

func (f *File) offset(addr uint64, flags elf.ProgFlag) (uint64, bool) {
	for i := range f.segments {
		p := &f.segments[i]
		if p.Type != elf.PT_LOAD || p.Flags&flags != flags || addr < p.Vaddr || addr-p.Vaddr >= p.Filesz {
			continue
		}
		off := addr - p.Vaddr + p.Off
		return off, off >= p.Off && off < f.size
	}
	return 0, false
}

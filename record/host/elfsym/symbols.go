package elfsym

import (
	"bytes"
	"debug/elf"
	"fmt"
	"strings"
)

// Table names a symbol table.
type Table string

// The tables.
const (
	Symtab Table = ".symtab" // what the linker knew; strip takes it out
	Dynsym Table = ".dynsym" // what other files may use at run time; it stays
)

// Symbol is an entry of a symbol table.
type Symbol struct {
	Name    string
	Version string // of a dynamic symbol: GLIBC_2.2.5; empty: none
	Hidden  bool   // not the version that programs are linked with today (memcpy@GLIBC_2.2.5 beside memcpy@@GLIBC_2.14)
	Address uint64
	Size    uint64
	Type    elf.SymType
	Bind    elf.SymBind
	Section elf.SectionIndex
}

// Defined reports whether the symbol is the file's own and not one that it wants from others.
func (s *Symbol) Defined() bool { return s.Section != elf.SHN_UNDEF && s.Section < elf.SHN_LORESERVE }

const symbolSize = 24

// Has reports whether the file has a symbol table.
func (f *File) Has(t Table) bool { return f.table(t) != nil }

func (f *File) table(t Table) *Section {
	kind := elf.SHT_SYMTAB
	if t == Dynsym {
		kind = elf.SHT_DYNSYM
	}
	for i := range f.sections {
		if f.sections[i].Type == kind {
			return &f.sections[i]
		}
	}
	return nil
}

// Each hands the symbols of a table to fn until it returns false. Names are parts of one string of the whole table. A file without the
// table has no symbols.
func (f *File) Each(t Table, fn func(*Symbol) bool) error {
	s := f.table(t)
	if s == nil {
		return nil
	}
	if uint64(s.Link) >= uint64(len(f.sections)) {
		return fmt.Errorf("reading %s: its names are in section %d of %d", t, s.Link, len(f.sections))
	}
	data, err := f.Data(s, maxTable)
	if err != nil {
		return err
	}
	strs, err := f.Data(&f.sections[s.Link], maxTable)
	if err != nil {
		return err
	}
	names := nameTable{text: string(strs)}
	var versions versionTable
	if t == Dynsym {
		if versions, err = f.versions(); err != nil {
			return err
		}
	}
	for i := 0; len(data) >= symbolSize; i, data = i+1, data[symbolSize:] {
		if i == 0 {
			continue // the empty one
		}
		sym := symbol(data)
		if sym.Name, err = names.at(u32(data, 0)); err != nil {
			return fmt.Errorf("reading %s: symbol %d: %w", t, i, err)
		}
		if t == Dynsym {
			sym.Version, sym.Hidden = versions.of(i)
		} else if at := strings.IndexByte(sym.Name, '@'); at > 0 {
			// The linker writes versions into the names of .symtab: f@@V the default one, f@V another.
			version := sym.Name[at+1:]
			sym.Name = sym.Name[:at]
			sym.Version = strings.TrimPrefix(version, "@")
			sym.Hidden = len(sym.Version) == len(version)
		}
		if !fn(&sym) {
			return nil
		}
	}
	return nil
}

func symbol(data []byte) Symbol {
	return Symbol{
		Type: elf.SymType(data[4] & 0xf), Bind: elf.SymBind(data[4] >> 4), Section: elf.SectionIndex(u16(data, 6)),
		Address: u64(data, 8), Size: u64(data, 16),
	}
}

// nameTable cuts names out of a string table. Tables share the ends of names; a file in which all names are the whole table would make the search
// for their ends quadratic, so what is looked through is bounded.
type nameTable struct {
	text    string
	scanned int
}

// maxSymbolName is more than any compiler's name has.
const maxSymbolName = 1 << 16

func (n *nameTable) at(off uint32) (string, error) {
	if uint64(off) >= uint64(len(n.text)) {
		if off == 0 {
			return "", nil
		}
		return "", fmt.Errorf("its name at %d is outside of the table's %d bytes", off, len(n.text))
	}
	name := n.text[off:]
	if len(name) > maxSymbolName {
		name = name[:maxSymbolName]
	}
	end := strings.IndexByte(name, 0)
	if end < 0 {
		return "", fmt.Errorf("its name at %d has no end", off)
	}
	if n.scanned += end; n.scanned > 64*len(n.text)+1<<20 {
		return "", fmt.Errorf("names overlap more than in a table of %d bytes they can", len(n.text))
	}
	return name[:end], nil
}

// CountFunctions counts the functions that a table defines; -1: there is no such table.
func (f *File) CountFunctions(t Table) (int, error) {
	s := f.table(t)
	if s == nil {
		return -1, nil
	}
	data, err := f.Data(s, maxTable)
	if err != nil {
		return -1, err
	}
	n := 0
	for ; len(data) >= symbolSize; data = data[symbolSize:] {
		if sym := symbol(data); f.Function(&sym) {
			n++
		}
	}
	return n, nil
}

// Function reports whether a symbol is code that can be called: a function, or an entry point written in assembler without a type, defined in
// a section of code.
func (f *File) Function(s *Symbol) bool {
	if !s.Defined() {
		return false
	}
	switch {
	case s.Type == elf.STT_FUNC || s.Type == elf.STT_GNU_IFUNC:
	case s.Type == elf.STT_NOTYPE && s.Bind != elf.STB_LOCAL:
	default:
		return false
	}
	if int(s.Section) < len(f.sections) && f.sections[s.Section].Flags&elf.SHF_EXECINSTR == 0 {
		return false
	}
	return true
}

// versionTable names the versions of dynamic symbols.
type versionTable struct {
	index []byte // two bytes for each symbol
	names map[uint16]string
}

// Bits of a version index; see "Symbol Versioning" of the Linux Standard Base.
const (
	versionHidden = 0x8000
	versionLocal  = 0
	versionGlobal = 1
)

func (v *versionTable) of(i int) (version string, hidden bool) {
	if 2*i+2 > len(v.index) {
		return "", false
	}
	n := u16(v.index, 2*i)
	name := v.names[n&^versionHidden]
	return name, n&versionHidden != 0 && name != ""
}

// versions reads the versions that the file defines.
func (f *File) versions() (versionTable, error) {
	v := versionTable{names: map[uint16]string{}}
	index, defs := f.sectionOf(elf.SHT_GNU_VERSYM), f.sectionOf(elf.SHT_GNU_VERDEF)
	if index == nil || defs == nil || uint64(defs.Link) >= uint64(len(f.sections)) {
		return v, nil
	}
	var err error
	if v.index, err = f.Data(index, maxTable); err != nil {
		return v, err
	}
	data, err := f.Data(defs, maxTable)
	if err != nil {
		return v, err
	}
	text, err := f.Data(&f.sections[defs.Link], maxTable)
	if err != nil {
		return v, err
	}
	const head, aux, base = 20, 8, 1
	for len(data) >= head && len(v.names) < versionHidden {
		flags, number, first, next := u16(data, 2), u16(data, 4), u32(data, 12), u32(data, 16)
		// The base definition names the file itself.
		if flags&base == 0 && number > versionGlobal && uint64(first)+aux <= uint64(len(data)) {
			name := text[min(uint64(u32(data, int(first))), uint64(len(text))):]
			name = name[:min(len(name), 4*maxName)]
			if end := bytes.IndexByte(name, 0); end >= 0 {
				v.names[number] = string(name[:end])
			}
		}
		if next < head || uint64(next) > uint64(len(data)) {
			break
		}
		data = data[next:]
	}
	return v, nil
}

func (f *File) sectionOf(kind elf.SectionType) *Section {
	for i := range f.sections {
		if f.sections[i].Type == kind {
			return &f.sections[i]
		}
	}
	return nil
}

package elfsym

import (
	"debug/elf"
	"errors"
	"fmt"
)

// Go keeps the names of all functions in every program, also in a stripped one: the runtime prints and unwinds by them. The layout is
// that of runtime.pcHeader, moduledata and _func of Go 1.18 (magic f0) and 1.20 (f1), which is also Go 1.26's.
const (
	goMagic118 = 0xfffffff0
	goMagic120 = 0xfffffff1
)

// GoFunctions returns the functions of a Go program's line table; nil where there is none. Sizes reach up to the next function.
func (f *File) GoFunctions() ([]Symbol, error) {
	s := f.goTable()
	if s == nil {
		return nil, nil
	}
	data, err := f.Data(s, maxTable)
	if err != nil {
		return nil, err
	}
	return lineTable(data, func(inHeader uint64) (uint64, error) { return f.goText(s, inHeader) })
}

// lineTable reads the functions of a line table; start makes of the start of code in its header the one that counts.
func lineTable(data []byte, start func(uint64) (uint64, error)) ([]Symbol, error) {
	const head = 8 + 8*8
	if len(data) < head {
		return nil, errors.New("reading Go's line table: it is cut")
	}
	if magic := u32(data, 0); magic != goMagic118 && magic != goMagic120 {
		return nil, fmt.Errorf("reading Go's line table: unknown layout %#x", magic)
	}
	if quantum, word := data[6], data[7]; quantum != 1 || word != 8 {
		return nil, fmt.Errorf("reading Go's line table: instruction quantum %d and word size %d are not those of x86-64", quantum, word)
	}
	count, names, table := u64(data, 8), u64(data, 32), u64(data, 64)
	size := uint64(len(data))
	if names > size || table > size || count >= (size-table)/8 {
		return nil, fmt.Errorf("reading Go's line table: %d functions are not in its %d bytes", count, size)
	}
	text, err := start(u64(data, 24))
	if err != nil {
		return nil, err
	}
	cut := nameTable{text: string(data[names:])}
	list := make([]Symbol, 0, count)
	for i := range count {
		entry := table + 8*i
		from, info, to := uint64(u32(data, int(entry))), uint64(u32(data, int(entry+4))), uint64(u32(data, int(entry+8)))
		if info > size-table || size-table-info < 8 || to < from {
			return nil, fmt.Errorf("reading Go's line table: function %d is outside of it", i)
		}
		name, err := cut.at(u32(data, int(table+info+4)))
		if err != nil {
			return nil, fmt.Errorf("reading Go's line table: function %d: %w", i, err)
		}
		list = append(list, Symbol{Name: name, Address: text + from, Size: to - from, Type: elf.STT_FUNC, Section: 1})
	}
	return list, nil
}

// goText returns where a Go program's code begins, which entries of the line table count from: in its header up to Go 1.25 (a relocation
// where the program can be anywhere), in runtime.moduledata (section .go.module) since Go 1.26.
func (f *File) goText(table *Section, inHeader uint64) (uint64, error) {
	if inHeader != 0 {
		return inHeader, nil
	}
	const headerText = 24
	if text, ok, err := f.pointer(table.Addr + headerText); err != nil || ok {
		return text, err
	}
	const moduleText = 8 + 5*24 + 24 + 3*8 // pcHeader, five slices, ftab, findfunctab, minpc, maxpc
	if module := f.Section(".go.module"); module != nil {
		if text, ok, err := f.pointer(module.Addr + moduleText); err != nil || ok {
			return text, err
		}
	}
	return 0, errors.New("reading Go's line table: where the code begins is not known")
}

// pointer returns the address that is at an address once the file is loaded where it was linked for: what is in the file, or what a
// relocation (R_X86_64_RELATIVE) will write; ok false: neither.
func (f *File) pointer(addr uint64) (value uint64, ok bool, err error) {
	if off, loaded := f.DataOffset(addr); loaded {
		data, err := f.read("a pointer", off, 8)
		if err != nil {
			return 0, false, err
		}
		if value := u64(data, 0); value != 0 {
			return value, true, nil
		}
	}
	const entry, relative = 24, 8
	for i := range f.sections {
		s := &f.sections[i]
		if s.Type != elf.SHT_RELA || s.Flags&elf.SHF_ALLOC == 0 {
			continue
		}
		data, err := f.Data(s, maxTable)
		if err != nil {
			return 0, false, err
		}
		for ; len(data) >= entry; data = data[entry:] {
			if u64(data, 0) == addr && u32(data, 8) == relative {
				return u64(data, 16), true, nil
			}
		}
	}
	return 0, false, nil
}

func (f *File) goTable() *Section {
	for _, name := range []string{".gopclntab", ".data.rel.ro.gopclntab"} {
		if s := f.Section(name); s != nil {
			return s
		}
	}
	return nil
}

// Go reports whether the Go compiler made the file.
func (f *File) Go() bool {
	if f.Section(".go.buildinfo") != nil || f.goTable() != nil {
		return true
	}
	notes, err := f.SectionNotes(".note.go.buildid")
	return err == nil && len(notes) > 0 && notes[0].Name == "Go"
}

package elfsym

import (
	"bufio"
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// samples are programs and libraries of every kind, with what binutils say of them; make.sh beside them made both.
const samples = "../testdata/samples"

func open(t testing.TB, name string) *File {
	t.Helper()
	f, err := Open(filepath.Join(samples, name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

func TestSame(t *testing.T) {
	name := filepath.Join(t.TempDir(), "x")
	image, err := os.ReadFile(samples + "/libsample.so")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, image, 0o600); err != nil {
		t.Fatal(err)
	}
	first, err := Open(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := Open(name)
	if err != nil || !first.Same(again) {
		t.Fatalf("the same file: %v", err)
	}
	if err := again.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(name, name+".old"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, image, 0o600); err != nil {
		t.Fatal(err)
	}
	other, err := Open(name)
	if err != nil || first.Same(other) {
		t.Errorf("another file of the same name and contents is the same: %v", err)
	}
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
}

// nm reads what binutils' nm printed: address, letter, name.
func nm(t *testing.T, name, letters string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(samples, name))
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(string(text)) {
		parts := strings.Fields(line)
		if len(parts) != 3 || !strings.Contains(letters, parts[1]) {
			continue
		}
		addr, err := strconv.ParseUint(parts[0], 16, 64)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, fmt.Sprintf("%s %#x", parts[2], addr))
	}
	slices.Sort(lines)
	return lines
}

func functions(t *testing.T, f *File, table Table) []string {
	t.Helper()
	var lines []string
	err := f.Each(table, func(s *Symbol) bool {
		if !f.Function(s) {
			return true
		}
		name := s.Name
		switch {
		case s.Hidden:
			name += "@" + s.Version
		case s.Version != "":
			name += "@@" + s.Version
		}
		lines = append(lines, fmt.Sprintf("%s %#x", name, s.Address))
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(lines)
	return lines
}

func TestFunctionsAreThoseOfNm(t *testing.T) {
	for _, c := range []struct {
		file, witness string
		table         Table
	}{
		{"libsample.so", "libsample.nm", Symtab},
		{"libsample.so", "libsample.nm-D", Dynsym},
		{"libsample.so.debug", "libsample.nm", Symtab},
		{"libsample.stripped.so", "libsample.nm-D", Dynsym},
	} {
		want := nm(t, c.witness, "TtWi")
		// A label is in the text section, and no function.
		want = slices.DeleteFunc(want, func(s string) bool { return strings.HasPrefix(s, "local_label ") })
		got := functions(t, open(t, c.file), c.table)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s of %s (-nm +ours):\n%s", c.table, c.file, diff)
		}
		if n, err := open(t, c.file).CountFunctions(c.table); err != nil || n != len(want) {
			t.Errorf("%s of %s: counted %d functions, %v; want %d", c.table, c.file, n, err, len(want))
		}
	}
}

func TestSymbolsOfOneKind(t *testing.T) {
	type kind struct {
		Type elf.SymType
		Bind elf.SymBind
		Size bool
	}
	got := map[string]kind{}
	f := open(t, "libsample.so")
	if err := f.Each(Symtab, func(s *Symbol) bool { got[s.Name] = kind{s.Type, s.Bind, s.Size > 0}; return true }); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]kind{
		"exported":      {elf.STT_FUNC, elf.STB_GLOBAL, true},
		"weak_function": {elf.STT_FUNC, elf.STB_WEAK, true},
		"chosen":        {elf.STT_GNU_IFUNC, elf.STB_GLOBAL, true},
		"no_size":       {elf.STT_FUNC, elf.STB_GLOBAL, false},
		"no_type":       {elf.STT_NOTYPE, elf.STB_GLOBAL, false},
		"fast":          {elf.STT_FUNC, elf.STB_LOCAL, true},
		"exported_data": {elf.STT_OBJECT, elf.STB_GLOBAL, true},
	} {
		if got[name] != want {
			t.Errorf("%s is %+v, want %+v", name, got[name], want)
		}
	}
}

func TestStripped(t *testing.T) {
	f := open(t, "libsample.stripped.so")
	if f.Has(Symtab) || !f.Has(Dynsym) {
		t.Errorf("has .symtab %v, .dynsym %v", f.Has(Symtab), f.Has(Dynsym))
	}
	if n, err := f.CountFunctions(Symtab); n != -1 || err != nil {
		t.Errorf("counted %d functions in a table that is not there, %v", n, err)
	}
	name, sum, ok, err := f.DebugLink()
	if name != "libsample.so.debug" || !ok || err != nil {
		t.Fatalf("debug link %q, %v, %v", name, ok, err)
	}
	debug := open(t, name)
	if have, err := debug.Checksum(); have != sum || err != nil {
		t.Errorf("checksum %#x, %v; want %#x", have, err, sum)
	}
	if _, _, ok, err := debug.DebugLink(); ok || err != nil {
		t.Errorf("a file that links nowhere: %v, %v", ok, err)
	}
	mine, err := f.BuildID()
	theirs, err2 := debug.BuildID()
	if mine != theirs || len(mine) != 40 || err != nil || err2 != nil {
		t.Errorf("build-ids %q, %q; %v, %v", mine, theirs, err, err2)
	}
	text, err := os.ReadFile(samples + "/libsample.notes")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), "Build ID: "+mine) {
		t.Errorf("readelf does not know the build-id %s", mine)
	}
}

// TestOffsets holds offsets against readelf's program headers.
func TestOffsets(t *testing.T) {
	text, err := os.ReadFile(samples + "/libsample.segments")
	if err != nil {
		t.Fatal(err)
	}
	f := open(t, "libsample.so")
	segments := 0
	scan := bufio.NewScanner(bytes.NewReader(text))
	for scan.Scan() {
		p := strings.Fields(scan.Text())
		if len(p) < 7 || p[0] != "LOAD" {
			continue
		}
		segments++
		var n [5]uint64
		for i := range n {
			if n[i], err = strconv.ParseUint(p[i+1], 0, 64); err != nil {
				t.Fatal(err)
			}
		}
		offset, addr, size, memory := n[0], n[1], n[3], n[4]
		code := strings.Contains(scan.Text(), "E ")
		for _, d := range []uint64{0, size / 2, size - 1} {
			if got, ok := f.DataOffset(addr + d); got != offset+d || !ok {
				t.Errorf("address %#x is at %#x, %v; want %#x", addr+d, got, ok, offset+d)
			}
			if got, ok := f.FileOffset(addr + d); ok != code || ok && got != offset+d {
				t.Errorf("code address %#x is at %#x, %v; want %#x, %v", addr+d, got, ok, offset+d, code)
			}
		}
		if memory > size {
			if got, ok := f.DataOffset(addr + size); ok {
				t.Errorf("address %#x is behind the file's part of the segment, and found at %#x", addr+size, got)
			}
		}
	}
	if segments < 2 {
		t.Fatalf("readelf names %d segments", segments)
	}
	if _, ok := f.FileOffset(^uint64(0)); ok {
		t.Error("the last address is in the file")
	}
}

func TestLinkage(t *testing.T) {
	l, err := open(t, "libsample.so").Linkage()
	if err != nil {
		t.Fatal(err)
	}
	if l.Soname != "libsample.so.1" || l.Interpreter != "" || len(l.Needed) != 0 || l.PIE || l.Static(open(t, "libsample.so")) {
		t.Errorf("linkage %+v", l)
	}
}

func TestNotForProbes(t *testing.T) {
	for name, want := range map[string]string{
		"lib32.so": "is a 32-bit program (i386): user probes are placed in x86-64 programs",
		"object.o": "is an object file that is not linked: it does not run",
		"make.sh":  "is a script for /bin/sh, not an ELF file",
		"sample.c": "is not an ELF file",
		".":        "is a folder",
	} {
		_, err := Open(filepath.Join(samples, name))
		var format *FormatError
		if !errors.As(err, &format) || format.Why != want {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
	if _, err := Open(samples + "/absent"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
	image, err := os.ReadFile(samples + "/libsample.so")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		offset int
		value  byte
		want   string
	}{
		{elf.EI_DATA, 2, "is for a big-endian machine"},
		{elf.EI_CLASS, 1, "is a 32-bit program for x86-64 (x32): user probes are placed in 64-bit programs"},
		{18, 183, "is for another machine (AARCH64), not x86-64"},
		{16, 4, "is a core dump, not a program"},
		{16, 9, "is an ELF file of an unknown type (9)"},
	} {
		changed := slices.Clone(image)
		changed[c.offset] = c.value
		if _, err := New(bytes.NewReader(changed), int64(len(changed))); err == nil || err.Error() != c.want {
			t.Errorf("byte %d = %d: %v, want %q", c.offset, c.value, err, c.want)
		}
	}
}

func TestCompressedSection(t *testing.T) {
	plain := open(t, "libsample.so")
	want, err := plain.Data(plain.Section(".debug_str"), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := plain.Data(plain.Section(".debug_str"), 16); err == nil {
		t.Error("a section beyond the limit was read")
	}
	for _, name := range []string{"libsample.dwarf4z.so", "libsample.zstd.so"} {
		packed := open(t, name)
		s := packed.Section(".debug_str")
		if s == nil || s.Flags&elf.SHF_COMPRESSED == 0 {
			t.Fatalf("%s has no compressed section", name)
		}
		data, err := packed.Data(s, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		// The texts of another DWARF version are not quite the same.
		if name == "libsample.zstd.so" && !bytes.Equal(data, want) || !bytes.Contains(data, []byte("copy_new\x00")) {
			t.Errorf("%s: %d bytes, want %d", name, len(data), len(want))
		}
		if _, err := packed.Data(s, 16); err == nil {
			t.Errorf("%s: a section beyond the limit was decompressed", name)
		}
		image, err := os.ReadFile(filepath.Join(samples, name))
		if err != nil {
			t.Fatal(err)
		}
		const method, size = 0, 8 // in the section's header
		for what, change := range map[string]func(head []byte){
			"one byte less":    func(h []byte) { binary.LittleEndian.PutUint64(h[size:], uint64(len(data)-1)) },
			"one byte more":    func(h []byte) { binary.LittleEndian.PutUint64(h[size:], uint64(len(data)+1)) },
			"512 MiB":          func(h []byte) { binary.LittleEndian.PutUint64(h[size:], 1<<29) },
			"8 EiB":            func(h []byte) { binary.LittleEndian.PutUint64(h[size:], 1<<63) },
			"no such method":   func(h []byte) { h[method] = 77 },
			"another stream":   func(h []byte) { h[24] ^= 0xff },
			"a damaged middle": func(h []byte) { h[len(h)/2] ^= 0xff },
		} {
			changed := slices.Clone(image)
			change(changed[s.Offset : s.Offset+s.Size])
			f, err := New(bytes.NewReader(changed), int64(len(changed)))
			if err != nil {
				t.Fatal(err)
			}
			if got, err := f.Data(f.Section(".debug_str"), 1<<30); err == nil && (what != "a damaged middle" || bytes.Equal(got, data)) {
				t.Errorf("%s, %s: %d bytes and no error", name, what, len(got))
			}
		}
	}
}

// TestCut reads every prefix of a file: each is an error or a file whose parts can be asked for.
func TestCut(t *testing.T) {
	image, err := os.ReadFile(samples + "/libsample.so")
	if err != nil {
		t.Fatal(err)
	}
	for n := 0; n < len(image); n += 7 {
		everything(image[:n])
	}
}

// everything asks for all that a file may hold.
func everything(image []byte) {
	f, err := New(bytes.NewReader(image), int64(len(image)))
	if err != nil {
		return
	}
	count := 0
	for _, table := range []Table{Symtab, Dynsym} {
		if _, err := f.CountFunctions(table); err != nil {
			count++
		}
		if err := f.Each(table, func(s *Symbol) bool {
			if _, ok := f.FileOffset(s.Address); ok && f.Function(s) {
				count++
			}
			return true
		}); err != nil {
			count++
		}
	}
	if _, err := f.BuildID(); err != nil {
		count++
	}
	if _, _, _, err := f.DebugLink(); err != nil {
		count++
	}
	if l, err := f.Linkage(); err == nil && l.Static(f) {
		count++
	}
	if g, err := f.GoFunctions(); err == nil {
		count += len(g)
	}
	if f.Go() {
		count++
	}
	for i := range f.sections {
		if _, err := f.Data(&f.sections[i], 1<<20); err != nil {
			count++
		}
	}
}

func FuzzFile(f *testing.F) {
	for _, name := range []string{"libsample.so", "libsample.dwarf4z.so", "libsample.zstd.so", "libsample.stripped.so", "lib32.so"} {
		image, err := os.ReadFile(filepath.Join(samples, name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(image)
	}
	f.Fuzz(func(t *testing.T, image []byte) { everything(image) })
}

func TestNotes(t *testing.T) {
	note := func(name, desc string) []byte {
		var b []byte
		for _, n := range []uint32{uint32(len(name)), uint32(len(desc)), 3} {
			b = append(b, byte(n), byte(n>>8), byte(n>>16), byte(n>>24))
		}
		for _, text := range []string{name, desc} {
			b = append(b, text...)
			for len(b)%4 != 0 {
				b = append(b, 0)
			}
		}
		return b
	}
	data := append(note("GNU\x00", "12345"), note("", "")...)
	got, err := Notes(data)
	want := []Note{{"GNU", 3, []byte("12345")}, {"", 3, []byte{}}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	// The padding of the last one may be missing.
	if got, err := Notes(note("GNU\x00", "12345")[:12+4+5]); len(got) != 1 || err != nil {
		t.Errorf("without the last padding: %d notes, %v", len(got), err)
	}
	for n := 13; n < 12+4+5; n++ {
		if got, err := Notes(data[:n]); err == nil || len(got) != 0 {
			t.Errorf("cut after %d bytes: %d notes, %v", n, len(got), err)
		}
	}
	huge := note("GNU\x00", "1")
	huge[4], huge[7] = 0xff, 0xff
	if _, err := Notes(huge); err == nil {
		t.Error("a description of 4 GiB was believed")
	}
}

// TestNamesThatOverlap has a symbol table whose names are all one long text: finding their ends must not take the square of its size.
func TestNamesThatOverlap(t *testing.T) {
	n := nameTable{text: strings.Repeat("a", 60000) + "\x00"}
	for range 1 << 20 {
		if _, err := n.at(0); err != nil {
			if n.scanned > 100*len(n.text)+1<<21 {
				t.Errorf("%d bytes were looked through for a table of %d", n.scanned, len(n.text))
			}
			return
		}
	}
	t.Error("a million names of 60,000 bytes each in a table of 60,000")
}

// smallLineTable is a line table of two functions.
func smallLineTable() []byte {
	const head, names = 72, 24
	data := make([]byte, head, 200)
	le := binary.LittleEndian
	le.PutUint32(data, goMagic120)
	data[6], data[7] = 1, 8
	le.PutUint64(data[8:], 2)           // functions
	le.PutUint64(data[24:], 0x401000)   // start of the code
	le.PutUint64(data[32:], head)       // names
	le.PutUint64(data[64:], head+names) // functions' table
	data = append(data, "main.main\x00main.other\x00\x00\x00\x00"...)
	for _, n := range []uint32{0, 20, 0x40, 28, 0x100 /* end */, 0, 0 /* main.main */, 0x40, 10 /* main.other */} {
		data = le.AppendUint32(data, n)
	}
	return data
}

func atHeader(text uint64) (uint64, error) { return text, nil }

func TestLineTable(t *testing.T) {
	data := smallLineTable()
	got, err := lineTable(data, atHeader)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"main.main 0x401000 64", "main.other 0x401040 192"}
	var lines []string
	for _, s := range got {
		lines = append(lines, fmt.Sprintf("%s %#x %d", s.Name, s.Address, s.Size))
	}
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for n := range data {
		if _, err := lineTable(data[:n], atHeader); err == nil && n < len(data)-12 {
			t.Errorf("a table cut after %d of %d bytes was read", n, len(data))
		}
	}
}

func FuzzLineTable(f *testing.F) {
	f.Add(smallLineTable())
	f.Fuzz(func(t *testing.T, data []byte) {
		list, err := lineTable(data, atHeader)
		if err == nil && len(list) > len(data) {
			t.Errorf("%d functions of %d bytes", len(list), len(data))
		}
	})
}

func BenchmarkEach(b *testing.B) {
	f := open(b, "libsample.so")
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		n = 0
		if err := f.Each(Symtab, func(*Symbol) bool { n++; return true }); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/symbol")
}

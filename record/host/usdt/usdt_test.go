package usdt

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"probetape/record/host/elfsym"
)

// listed is how the tests write a probe: what readelf -n prints.
var listed = regexp.MustCompile(`Provider: (\S+)\n\s+Name: (\S+)\n\s+Location: (\S+), Base: (\S+), Semaphore: (\S+)\n\s+Arguments: ?(.*)\n`)

// readelf returns the probes that binutils find in a text of readelf -n, by provider, name and address.
func readelf(t *testing.T, text string) []string {
	t.Helper()
	var lines []string
	for _, m := range listed.FindAllStringSubmatch(text, -1) {
		addr, err := strconv.ParseUint(m[3], 0, 64)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, fmt.Sprintf("%s:%s %#x %s", m[1], m[2], addr, strings.TrimSpace(m[6])))
	}
	slices.Sort(lines)
	return slices.Compact(lines)
}

func sample(t testing.TB) *elfsym.File {
	t.Helper()
	f, err := elfsym.Open("../testdata/samples/libsample.so")
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestSample(t *testing.T) {
	f := sample(t)
	probes, err := Probes(f)
	if err != nil {
		t.Fatal(err)
	}
	symbols := map[string]uint64{}
	if err := f.Each(elfsym.Symtab, func(s *elfsym.Symbol) bool { symbols[s.Name] = s.Address; return true }); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("../testdata/samples/libsample.notes")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range probes {
		args := p.Args
		if p.Name == "globals" {
			args = "4@global_counter(%rip) -4@global_table+8(%rip) -4@8+global_table(%rip) 8@absent(%rip) 8@%fs:-8" // see below
		}
		got = append(got, fmt.Sprintf("%s:%s %#x %s", p.Provider, p.Name, p.Address, args))
		if p.Offset != p.Address {
			t.Errorf("%s at offset %#x, want %#x: the sample's code is where it is in the file", p.Name, p.Offset, p.Address)
		}
	}
	slices.Sort(got)
	if diff := cmp.Diff(readelf(t, string(text)), got); diff != "" {
		t.Errorf("(-readelf +ours):\n%s", diff)
	}
	for _, p := range probes {
		switch p.Name {
		case "guarded":
			want, ok := f.DataOffset(symbols["probe_semaphore"])
			if p.Semaphore != want || !ok {
				t.Errorf("semaphore at %#x, want %#x (%v)", p.Semaphore, want, ok)
			}
		case "globals":
			from := func(name string, plus uint64) int64 { return int64(symbols[name] + plus - p.Address) }
			want := fmt.Sprintf("4@%d(%%rip) -4@%d(%%rip) -4@%d(%%rip) 8@absent(%%rip) 8@%%fs:-8",
				from("global_counter", 0), from("global_table", 8), from("global_table", 8))
			if p.Args != want {
				t.Errorf("globals: %s, want %s", p.Args, want)
			}
		default:
			if p.Semaphore != 0 {
				t.Errorf("%s has a semaphore at %#x", p.Name, p.Semaphore)
			}
		}
	}
}

// TestHotSpot reads the notes of a Java virtual machine (OpenJDK 17's libjvm.so, provider hotspot), as they were recorded.
func TestHotSpot(t *testing.T) {
	raw, err := os.ReadFile("testdata/libjvm17.hotspot.notes")
	if err != nil {
		t.Fatal(err)
	}
	notes, err := elfsym.Notes(raw)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, n := range notes {
		if n.Name != owner || n.Type != noteType {
			t.Fatalf("note of %q, type %d", n.Name, n.Type)
		}
		base := binary.LittleEndian.Uint64(n.Desc[8:])
		p, err := parse(n.Desc, base)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%s\t%s\t0x%016x\t0x%016x\t0x%016x\t%s", p.Provider, p.Name, p.Address, base, p.Semaphore, p.Args))
		// The section has moved by 0x1000: so have the probe and its semaphore.
		moved, err := parse(n.Desc, base+0x1000)
		if err != nil || moved.Address != p.Address+0x1000 || moved.Semaphore != 0 {
			t.Errorf("moved: %+v, %v", moved, err)
		}
	}
	want, err := os.ReadFile("testdata/libjvm17.hotspot.readelf")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(strings.TrimSuffix(string(want), "\n"), "\n"), got); diff != "" {
		t.Errorf("(-readelf +ours):\n%s", diff)
	}
	if len(got) < 46 {
		t.Errorf("%d probes", len(got))
	}
}

// TestInstalled reads the notes of what is installed here and holds them against readelf's reading. Which programs have notes differs between
// systems; the recorded notes above are read everywhere.
func TestInstalled(t *testing.T) {
	tool, err := exec.LookPath("readelf")
	if err != nil || runtime.GOOS != "linux" {
		return
	}
	var files []string
	for _, pattern := range []string{
		"/usr/lib/jvm/*/lib/server/libjvm.so", "/usr/lib/x86_64-linux-gnu/libstdc++.so.6", "/usr/lib/x86_64-linux-gnu/libpython3*.so.1.0",
		"/usr/lib/x86_64-linux-gnu/libc.so.6", "/lib64/ld-linux-x86-64.so.2",
	} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	for _, name := range files {
		text, err := exec.Command(tool, "-nW", name).Output()
		if err != nil {
			t.Fatalf("readelf %s: %v", name, err)
		}
		f, err := elfsym.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		probes, err := Probes(f)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var got []string
		for _, p := range probes {
			got = append(got, fmt.Sprintf("%s:%s %#x %s", p.Provider, p.Name, p.Address, p.Args))
		}
		slices.Sort(got)
		want := readelf(t, string(text))
		if !strings.Contains(string(text), "(%rip)") {
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s (-readelf +ours):\n%s", name, diff)
			}
		} else if len(want) != len(got) {
			t.Errorf("%s: %d probes, readelf finds %d", name, len(got), len(want))
		}
		t.Logf("%s: %d probes", name, len(got))
	}
}

func TestDamagedNotes(t *testing.T) {
	desc := func(addr, base, semaphore uint64, texts string) []byte {
		b := binary.LittleEndian.AppendUint64(nil, addr)
		b = binary.LittleEndian.AppendUint64(b, base)
		b = binary.LittleEndian.AppendUint64(b, semaphore)
		return append(b, texts...)
	}
	if p, err := parse(desc(1, 0, 0, "a\x00b\x00\x00"), 9); err != nil || p.Provider != "a" || p.Name != "b" || p.Args != "" || p.Address != 1 {
		t.Errorf("the smallest note: %+v, %v", p, err)
	}
	for name, d := range map[string][]byte{
		"short":            desc(1, 2, 3, "")[:23],
		"no texts":         desc(1, 2, 3, ""),
		"no arguments":     desc(1, 2, 3, "a\x00b\x00"),
		"no end":           desc(1, 2, 3, "a\x00b\x00c"),
		"no provider":      desc(1, 2, 3, "\x00b\x00\x00"),
		"no name":          desc(1, 2, 3, "a\x00\x00\x00"),
		"control code":     desc(1, 2, 3, "a\x00b\x1b[2J\x00\x00"),
		"long name":        desc(1, 2, 3, "a\x00"+strings.Repeat("b", 257)+"\x00\x00"),
		"long arguments":   desc(1, 2, 3, "a\x00b\x00"+strings.Repeat("c", 4097)+"\x00"),
		"no UTF-8, no \\0": desc(1, 2, 3, "a\x00b\x00\xff\x00"),
	} {
		if p, err := parse(d, 0); err == nil {
			t.Errorf("%s: %+v", name, p)
		}
	}
}

func TestGlobal(t *testing.T) {
	for word, want := range map[string]variable{
		"4@counter(%rip)":       {"4", "counter", 0},
		"-8@_table+16(%rip)":    {"-8", "_table", 16},
		"8@16+table(%rip)":      {"8", "table", 16},
		"8@table-8(%rip)":       {"8", "table", -8},
		"8@table+0x10+8(%rip)":  {"8", "table", 24},
		"8@-8+table(%rip)":      {"8", "table", -8},
		"2@plain.1234":          {"2", "plain.1234", 0},
		"1@.LANCHOR0+24(%rip)":  {"1", ".LANCHOR0", 24},
		"8@%rax":                {},
		"8@$5":                  {},
		"8@$symbol":             {},
		"8@-16(%rbp)":           {},
		"8@16(%rip)":            {},
		"8@(%rax,%rbx,8)":       {},
		"8@%fs:-8":              {},
		"8@x@tpoff(%rip)":       {},
		"8@a+b(%rip)":           {},
		"8@":                    {},
		"8":                     {},
		"":                      {},
		"8@9999999999999999999": {},
		"8@counter(%rax)":       {},
	} {
		got, ok := global(word)
		if !ok {
			got = variable{}
		}
		if got != want {
			t.Errorf("%s: %+v, want %+v", word, got, want)
		}
	}
}

func FuzzProbes(f *testing.F) {
	image, err := os.ReadFile("../testdata/samples/libsample.so")
	if err != nil {
		f.Fatal(err)
	}
	notes, err := os.ReadFile("testdata/libjvm17.hotspot.notes")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(image)
	f.Add(notes)
	f.Fuzz(func(t *testing.T, data []byte) {
		if file, err := elfsym.New(bytes.NewReader(data), int64(len(data))); err == nil {
			probes, err := Probes(file)
			if err == nil {
				for _, p := range probes {
					if p.Offset >= uint64(len(data)) || p.Semaphore >= uint64(len(data)) || p.Name == "" {
						t.Fatalf("%+v in a file of %d bytes", p, len(data))
					}
				}
			}
		}
		list, err := elfsym.Notes(data)
		if err != nil && len(list) == 0 {
			return
		}
		for _, n := range list {
			if p, err := parse(n.Desc, 1); err == nil && !plain(p.Args, maxArgs) {
				t.Fatalf("%+v", p)
			}
		}
	})
}

func FuzzGlobal(f *testing.F) {
	for _, word := range []string{"4@counter(%rip)", "8@16+table-0x8(%rip)", "8@%rax", "-4@-16(%rbp)"} {
		f.Add(word)
	}
	f.Fuzz(func(t *testing.T, word string) {
		if g, ok := global(word); ok && (!isName(g.name) || !strings.Contains(word, g.name)) {
			t.Fatalf("%q: %+v", word, g)
		}
	})
}

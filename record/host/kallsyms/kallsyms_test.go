package kallsyms

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestEach(t *testing.T) {
	const text = "0000000000000000 A fixed_percpu_data\n" +
		"ffffffff81000000 T _stext\n" +
		"ffffffff81000040 t vfs_read.cold\n" +
		"ffffffffc0201000 t nf_hook\t[nf_tables]\n" +
		"ffffffffc0a51000 t bpf_prog_6deef7357e7b4530_sd_devices\t[bpf]\n" +
		"\n" +
		"ffffffffc0202000 W weak one\t[x]"
	want := []Symbol{
		{0, 'A', "fixed_percpu_data", ""},
		{0xffffffff81000000, 'T', "_stext", ""},
		{0xffffffff81000040, 't', "vfs_read.cold", ""},
		{0xffffffffc0201000, 't', "nf_hook", "nf_tables"},
		{0xffffffffc0a51000, 't', "bpf_prog_6deef7357e7b4530_sd_devices", "bpf"},
		{0xffffffffc0202000, 'W', "weak one", "x"},
	}
	var got []Symbol
	if err := Each(text, func(s Symbol) bool { got = append(got, s); return true }); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	got = nil
	if err := Each(text, func(s Symbol) bool { got = append(got, s); return len(got) < 2 }); err != nil || len(got) != 2 {
		t.Errorf("stopped after %d symbols, %v", len(got), err)
	}
	for _, bad := range []string{"x", "ffff", "ffff T", "ffff T ", "ffff  T name", "name T ffff", " T name", "ffff TT name", "10000000000000000 T name"} {
		if err := Each(text+"\n"+bad, func(Symbol) bool { return true }); err == nil {
			t.Errorf("line %q was read", bad)
		} else if !strings.Contains(err.Error(), "line 8") {
			t.Errorf("line %q: %v", bad, err)
		}
	}
}

func TestFunction(t *testing.T) {
	for letter, want := range map[byte]bool{'t': true, 'T': true, 'w': true, 'W': true, 'd': false, 'D': false, 'b': false, 'r': false, 'A': false, 'V': false} {
		if got := (&Symbol{Type: letter}).Function(); got != want {
			t.Errorf("%c: %v", letter, got)
		}
	}
}

func TestFilterFunctions(t *testing.T) {
	const text = "__traceiter_initcall_level\nvfs_read\n__ftrace_invalid_address___124\nnf_hook [nf_tables]\n"
	want := []Function{{"__traceiter_initcall_level", ""}, {"vfs_read", ""}, {"nf_hook", "nf_tables"}}
	if diff := cmp.Diff(want, FilterFunctions(text)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestBlacklist(t *testing.T) {
	const text = "0xffffffff81000000-0xffffffff81000010\tasm_exc_nmi\n0x0000000000000000-0x0000000000000000\thidden\n(____ptrval____)-(____ptrval____)\told\n"
	want := []Range{{0xffffffff81000000, 0xffffffff81000010, "asm_exc_nmi"}, {0, 0, "hidden"}, {0, 0, "old"}}
	got, err := Blacklist([]byte(text))
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if _, err := Blacklist([]byte("vfs_read\n")); err == nil {
		t.Error("a line without a range was read")
	}
}

func TestBase(t *testing.T) {
	for name, want := range map[string][2]string{
		"vfs_read":                      {"vfs_read", ""},
		"tcp_v4_fill_cb.isra.0":         {"tcp_v4_fill_cb", "isra"},
		"do_thing.constprop.0.isra.0":   {"do_thing", "constprop"},
		"do_thing.part.12":              {"do_thing", "part"},
		"do_thing.cold":                 {"do_thing", "cold"},
		"do_thing.isra.0.cold":          {"do_thing", "isra"},
		"do_thing.llvm.123456789":       {"do_thing", "llvm"},
		"lock.slowpath":                 {"lock.slowpath", ""},
		".hidden":                       {".hidden", ""},
		"__x64_sys_read":                {"__x64_sys_read", ""},
		"main.(*T).Method":              {"main.(*T).Method", ""},
		"_ZN4core3fmt5Write9write_fmtE": {"_ZN4core3fmt5Write9write_fmtE", ""},
	} {
		base, kind := Base(name)
		if got := [2]string{base, kind}; got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func FuzzEach(f *testing.F) {
	f.Add("ffffffff81000000 T _stext\nffffffffc0201000 t nf_hook\t[nf_tables]\n")
	f.Fuzz(func(t *testing.T, text string) {
		n := 0
		if err := Each(text, func(s Symbol) bool {
			n++
			if s.Name == "" || !strings.Contains(text, s.Name) {
				t.Fatalf("%+v", s)
			}
			return true
		}); err != nil {
			return
		}
		FilterFunctions(text)
		if _, err := Blacklist([]byte(text)); err == nil && n > len(text) {
			t.Fatal("more symbols than bytes")
		}
	})
}

func BenchmarkEach(b *testing.B) {
	text := strings.Repeat("ffffffff81000000 T a_name_of_usual_length\nffffffffc0201000 t nf_hook_something\t[nf_tables]\n", 50000)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		if err := Each(text, func(s Symbol) bool { n += len(s.Name); return true }); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/100000, "ns/symbol")
}

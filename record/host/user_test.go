package host

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"probetape/record/host/elfsym"
	"probetape/record/resolve"
)

// The sample binaries, which elfsym's tests describe.
const (
	sample   = "@testdata/samples/libsample.so"
	stripped = "@testdata/samples/libsample.stripped.so"
	debug    = "@testdata/samples/libsample.so.debug"
	lib32    = "@testdata/samples/lib32.so"
)

func paths(t *testing.T, h *Host, name string) []string {
	t.Helper()
	list, err := h.Binaries(name)
	if err != nil {
		return []string{err.Error()}
	}
	var found []string
	for _, b := range list {
		found = append(found, b.Path)
	}
	return found
}

func TestBinaries(t *testing.T) {
	h := tree(t, map[string]string{
		"/usr/bin/server":               sample,
		"/usr/bin/alias":                "->server",
		"/bin":                          "->usr/bin",
		"/usr/sbin/tool":                stripped,
		"/usr/bin/script":               "#!/usr/bin/env python3\nprint(1)\n",
		"/usr/lib/libone.so.1.2":        sample,
		"/usr/lib/libone.so.1":          "->libone.so.1.2",
		"/usr/lib/libone.so":            "->/usr/lib/libone.so.1",
		"/usr/lib/libtwo.so.6":          stripped,
		"/usr/lib/lib32.so":             lib32,
		"/usr/lib/readme.so.txt":        "text",
		"/opt/a/libx.so":                sample,
		"/opt/b/libx.so":                stripped,
		"/opt/deep/er/libx.so":          sample,
		"/opt/[odd]/libx.so":            sample,
		"/loop":                         "->loop",
		"/usr/bin/up":                   "->../../usr/./sbin//tool",
		"/opt/a/gone.so":                "->nowhere.so",
		"/usr/bin/.hidden":              sample,
		"/usr/lib/debug/.build-id/none": "",
	})
	for name, want := range map[string][]string{
		"/usr/bin/server":        {"/usr/bin/server"},
		"/bin/server":            {"/usr/bin/server"},
		"/usr/bin/../bin/alias":  {"/usr/bin/server"},
		"server":                 {"/usr/bin/server"},
		"alias":                  {"/usr/bin/server"},
		"tool":                   {"/usr/sbin/tool"},
		"up":                     {"/usr/sbin/tool"},
		"libone":                 {"/usr/lib/libone.so.1.2"},
		"libone.so":              {"/usr/lib/libone.so.1.2"},
		"libone.so.1":            {"/usr/lib/libone.so.1.2"},
		"libtwo":                 {"/usr/lib/libtwo.so.6"},
		"/usr/lib/libone.so*":    {"/usr/lib/libone.so.1.2"},
		"/usr/lib/*":             {"/usr/lib/libone.so.1.2", "/usr/lib/libtwo.so.6"},
		"/opt/?/libx.so":         {"/opt/a/libx.so", "/opt/b/libx.so"},
		"/opt/*/libx.so":         {"/opt/[odd]/libx.so", "/opt/a/libx.so", "/opt/b/libx.so"},
		"/opt/[odd]/*.so":        {"/opt/[odd]/libx.so"},
		"/opt/a/*.so":            {"/opt/a/libx.so"},
		"libthree":               {`there is no program "libthree" in PATH and no such library: file does not exist`},
		"nosuch":                 {`there is no program "nosuch" in PATH and no such library: file does not exist`},
		"":                       {`finding binary "": file does not exist`},
		"/opt/none*":             {`no program or library matches "/opt/none*": file does not exist`},
		"/usr/bin/script":        {"/usr/bin/script is a script for python3, not an ELF file"},
		"script":                 {"/usr/bin/script is a script for python3, not an ELF file"},
		"/usr/lib":               {"/usr/lib is a folder"},
		"/usr/lib/lib32.so":      {"/usr/lib/lib32.so is a 32-bit program (i386): user probes are placed in x86-64 programs"},
		"/usr/lib/readme.so.txt": {"/usr/lib/readme.so.txt is not an ELF file"},
		"/loop":                  {"reading a program or library from /loop: too many symbolic links"},
		"/nosuch":                {"reading a program or library from /nosuch: no such file or directory"},
		"/opt/a/gone.so":         {"reading a program or library from /opt/a/gone.so: no such file or directory"},
	} {
		if diff := cmp.Diff(want, paths(t, h, name)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", name, diff)
		}
	}
	for _, name := range []string{"nosuch", "libthree", "/nosuch", "/opt/none*", ""} {
		if _, err := h.Binaries(name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%q: %v", name, err)
		}
	}
	var format *elfsym.FormatError
	if _, err := h.Binaries("script"); !errors.As(err, &format) || len(format.Hints()) == 0 {
		t.Errorf("a script: %v", err)
	}
	candidates, err := h.Candidates("srever")
	if err != nil || !slices.Contains(candidates, "server") || !slices.Contains(candidates, "libone") || !slices.Contains(candidates, "libone.so.1") {
		t.Errorf("candidates %q, %v", candidates, err)
	}
	candidates, err = h.Candidates("/opt/a/liby.so")
	if diff := cmp.Diff([]string{"/opt/a/gone.so", "/opt/a/libx.so"}, candidates); diff != "" || err != nil {
		t.Errorf("candidates: %v (-want +got):\n%s", err, diff)
	}
	if _, err := h.Candidates("/nosuch/x"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("candidates in a folder that is not there: %v", err)
	}
}

func TestLoaderCache(t *testing.T) {
	h := tree(t, map[string]string{
		"/etc/ld.so.cache":                                   "@testdata/ldso/ld.so.cache",
		"/opt/sample/lib/liba.so.1":                          sample,
		"/opt/sample/lib/libb.so":                            stripped,
		"/usr/lib/x86_64-linux-gnu/libc.so.6":                sample, // not in the cache
		"/opt/sample/lib/glibc-hwcaps/x86-64-v3/liba.so.1.2": stripped,
	})
	for name, want := range map[string][]string{
		"liba":      {"/opt/sample/lib/glibc-hwcaps/x86-64-v3/liba.so.1.2", "/opt/sample/lib/liba.so.1"},
		"libb.so":   {"/opt/sample/lib/libb.so"},
		"libc.so.6": {"/usr/lib/x86_64-linux-gnu/libc.so.6"},
	} {
		if diff := cmp.Diff(want, paths(t, h, name)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", name, diff)
		}
	}
	if _, err := tree(t, map[string]string{"/etc/ld.so.cache": "nonsense"}).Binaries("liba"); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a damaged cache: %v", err)
	}
}

func lines(list []resolve.UserSymbol) []string {
	var out []string
	for _, s := range list {
		line := fmt.Sprintf("%s %#x", s.Name, s.Address)
		for _, f := range []struct {
			on   bool
			text string
		}{{s.Dynamic, " dynamic"}, {s.Local, " local"}, {s.IFunc, " ifunc"}, {s.Size == 0, " size 0"}, {s.Offset != s.Address, " elsewhere"}} {
			if f.on {
				line += f.text
			}
		}
		out = append(out, line)
	}
	return out
}

// TestSymbols reads the same library with its own tables, stripped, and stripped with its debug file found in each way.
func TestSymbols(t *testing.T) {
	h := tree(t, map[string]string{"/lib/whole.so": sample, "/lib/bare.so": stripped})
	whole, err := h.Binaries("/lib/whole.so")
	if err != nil {
		t.Fatal(err)
	}
	id := whole[0].BuildID
	if len(id) != 40 || whole[0].Static || whole[0].Go || !whole[0].Dwarf || whole[0].DebugFile != "" || len(whole[0].Text) != 1 {
		t.Errorf("%+v", whole[0])
	}
	all, err := h.Symbols("/lib/whole.so")
	if err != nil {
		t.Fatal(err)
	}
	bare, err := h.Symbols("/lib/bare.so")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{}
	for _, s := range bare {
		want[s.Name] = true
		if !s.Dynamic {
			t.Errorf("%s is in no other table than .dynsym", s.Name)
		}
	}
	got := map[string]resolve.UserSymbol{}
	for _, s := range all {
		if want[s.Name] != s.Dynamic {
			t.Errorf("%s: dynamic %v", s.Name, s.Dynamic)
		}
		if _, twice := got[s.Name]; twice {
			t.Errorf("%s is there twice", s.Name)
		}
		got[s.Name] = s
	}
	if !slices.IsSortedFunc(all, func(a, b resolve.UserSymbol) int { return strings.Compare(a.Name, b.Name) }) {
		t.Error("symbols are not sorted")
	}
	for name, is := range map[string]func(resolve.UserSymbol) bool{
		"exported":                  func(s resolve.UserSymbol) bool { return s.Dynamic && !s.Local && s.Size > 0 },
		"same_place":                func(s resolve.UserSymbol) bool { return s.Address == got["exported"].Address },
		"copy":                      func(s resolve.UserSymbol) bool { return s.Address == got["copy_new"].Address },
		"copy@SAMPLE_1":             func(s resolve.UserSymbol) bool { return s.Address == got["copy_old"].Address && s.Dynamic },
		"chosen":                    func(s resolve.UserSymbol) bool { return s.IFunc },
		"fast":                      func(s resolve.UserSymbol) bool { return s.Local && !s.Dynamic },
		"no_size":                   func(s resolve.UserSymbol) bool { return s.Size == 0 },
		"no_type":                   func(s resolve.UserSymbol) bool { return s.Dynamic },
		"weak_function":             func(s resolve.UserSymbol) bool { return !s.Local },
		"_ZNK2ns3Box4overEPKc":      func(s resolve.UserSymbol) bool { return s.Dynamic },
		"hidden.constprop.0.isra.0": func(s resolve.UserSymbol) bool { return s.Local },
	} {
		s, ok := got[name]
		if !ok || !is(s) {
			t.Errorf("%s: %+v (%v)", name, s, ok)
		}
	}
	for _, name := range []string{"exported_data", "global_counter", "local_label", "sample.c", "SAMPLE_1", ""} {
		if s, ok := got[name]; ok {
			t.Errorf("%q is no function: %+v", name, s)
		}
	}

	file := "/usr/lib/debug/.build-id/" + id[:2] + "/" + id[2:] + ".debug"
	for place, files := range map[string]map[string]string{
		file:                                    {"/opt/bare.so": stripped, file: debug},
		"/opt/libsample.so.debug":               {"/opt/bare.so": stripped, "/opt/libsample.so.debug": debug},
		"/opt/.debug/libsample.so.debug":        {"/opt/bare.so": stripped, "/opt/.debug/libsample.so.debug": debug},
		"/usr/lib/debug/opt/libsample.so.debug": {"/opt/bare.so": stripped, "/usr/lib/debug/opt/libsample.so.debug": debug, file: sample + ".none"},
	} {
		for name, from := range files {
			if strings.HasSuffix(from, ".none") {
				files[name] = "not a debug file"
			}
		}
		h := tree(t, files)
		b, err := h.Binaries("/opt/bare.so")
		if err != nil {
			t.Fatal(err)
		}
		if b[0].DebugFile != place || b[0].Symtab != -1 || !b[0].Dwarf {
			t.Errorf("%s: %+v", place, b[0])
		}
		list, err := h.Symbols("/opt/bare.so")
		if diff := cmp.Diff(lines(all), lines(list)); diff != "" || err != nil {
			t.Errorf("%s: %v (-whole +stripped with debug file):\n%s", place, err, diff)
		}
	}
	// A file of another build is not taken, whatever its name.
	h = tree(t, map[string]string{"/opt/bare.so": stripped, "/opt/libsample.so.debug": sample, file: "@testdata/samples/libsample.dwarf2.so"})
	if b, err := h.Binaries("/opt/bare.so"); err != nil || b[0].DebugFile != "" || b[0].Dwarf {
		t.Errorf("%+v, %v", b, err)
	}
}

func TestSourceNames(t *testing.T) {
	h := tree(t, map[string]string{"/lib/s.so": sample})
	list, err := h.SourceNames("/lib/s.so")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, s := range list {
		names = append(names, s.Name)
		if s.Address == 0 || s.Offset == 0 {
			t.Errorf("%+v", s)
		}
	}
	want := []string{
		"crate::module::function",
		"mycrate::foo::bar",
		"ns::Box::over", "ns::Box::over(char const*) const",
		"ns::over", "ns::over(int)",
		"std::vector<int, std::allocator<int> >::push_back", "std::vector<int, std::allocator<int> >::push_back(int const&)",
	}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	// Parameters are found by such a name too.
	p, err := h.UserProto("/lib/s.so", "ns::Box::over")
	if err != nil || len(p.Params) != 1 || p.Params[0].Name != "x" {
		t.Errorf("%+v, %v", p, err)
	}
}

func TestUserProto(t *testing.T) {
	h := tree(t, map[string]string{"/lib/s.so": sample, "/lib/bare.so": stripped, "/d/bare.so": stripped, "/d/libsample.so.debug": debug})
	for _, path := range []string{"/lib/s.so", "/d/bare.so"} {
		p, err := h.UserProto(path, "walk")
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, param := range p.Params {
			names = append(names, param.Name)
		}
		if diff := cmp.Diff([]string{"node", "k", "d", "c", ""}, names); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
		if again, err := h.UserProto(path, "walk"); again != p || err != nil {
			t.Error("a prototype was read twice")
		}
		var inlined *InlinedError
		if _, err := h.UserProto(path, "inlined"); !errors.As(err, &inlined) || !errors.Is(err, fs.ErrNotExist) || len(inlined.Hints()) != 1 {
			t.Errorf("%s: %v", path, err)
		}
		var params *ParamsError
		if _, err := h.UserProto(path, "hidden.constprop.0.isra.0"); !errors.As(err, &params) || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", path, err)
		} else if want := "the compiler made it from hidden with other parameters (constprop)"; err.Error() != want {
			t.Errorf("%q, want %q", err, want)
		}
		for _, name := range []string{"absent", "no_size", "exported_data"} {
			if _, err := h.UserProto(path, name); !errors.Is(err, fs.ErrNotExist) || errors.As(err, &inlined) {
				t.Errorf("%s: %s: %v", path, name, err)
			}
		}
	}
	if _, err := h.UserProto("/lib/bare.so", "walk"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without debug information: %v", err)
	}
}

func TestUSDT(t *testing.T) {
	h := tree(t, map[string]string{"/lib/s.so": stripped, "/lib/not": "text"})
	list, err := h.USDT("/lib/s.so")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range list {
		got = append(got, fmt.Sprintf("%s:%s %v %v", p.Provider, p.Name, p.Offset > 0, p.Semaphore > 0))
	}
	want := []string{
		"sample:globals true false", "sample:guarded true true", "sample:memory true false", "sample:none true false", "sample:registers true false",
		"sample:twice true false", "sample:twice true false",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, err := h.USDT("/lib/not"); err == nil || err.Error() != "/lib/not is not an ELF file" {
		t.Errorf("%v", err)
	}
}

package ldso

import (
	"bytes"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The caches in ../testdata/ldso were written by glibc 2.36's ldconfig, in the present format and in the one that old loaders read too, for a library with a
// variant for newer processors, and one with a 32-bit twin.
func TestCache(t *testing.T) {
	want := []Library{
		{"libb.so", "/opt/sample/lib/libb.so"},
		{"liba.so.1", "/opt/sample/lib/glibc-hwcaps/x86-64-v3/liba.so.1.2"},
		{"liba.so.1", "/opt/sample/lib/liba.so.1"},
	}
	for _, name := range []string{"ld.so.cache", "ld.so.cache.compat"} {
		data, err := os.ReadFile("../testdata/ldso/" + name)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Cache(data)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: %v (-ldconfig +ours):\n%s", name, err, diff)
		}
		for n := range data {
			// The extensions at the end are not read.
			if list, err := Cache(data[:n]); err == nil && len(list) != len(want) {
				t.Errorf("%s cut after %d of %d bytes: %d libraries and no error", name, n, len(data), len(list))
			}
		}
	}
}

func TestNoCache(t *testing.T) {
	for name, data := range map[string][]byte{
		"empty":        nil,
		"text":         []byte("/usr/lib/libc.so.6\n"),
		"many entries": append([]byte(newMagic), bytes.Repeat([]byte{0xff}, 64)...),
		"old, cut":     append([]byte(oldMagic+"\x00"), 0xff, 0xff, 0xff, 0xff, 1, 2, 3),
	} {
		if list, err := Cache(data); err == nil {
			t.Errorf("%s: %v", name, list)
		}
	}
}

func FuzzCache(f *testing.F) {
	for _, name := range []string{"ld.so.cache", "ld.so.cache.compat"} {
		data, err := os.ReadFile("../testdata/ldso/" + name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		list, err := Cache(data)
		if err != nil {
			return
		}
		for _, l := range list {
			if l.Soname == "" || l.Path == "" || len(l.Path) > len(data) {
				t.Fatalf("%+v", l)
			}
		}
	})
}

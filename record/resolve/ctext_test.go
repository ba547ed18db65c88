package resolve

import (
	"testing"

	"github.com/cilium/ebpf/btf"
)

func TestParseCType(t *testing.T) {
	sock := &btf.Struct{Name: "sock", Size: 8}
	named := func(tag, name string) btf.Type {
		switch tag + " " + name {
		case "struct sock":
			return sock
		case " sector_t":
			return &btf.Typedef{Name: "sector_t", Type: &btf.Int{Name: "unsigned long", Size: 8}}
		case "enum state":
			return &btf.Enum{Name: "state", Size: 4, Values: []btf.EnumValue{{Name: "A"}}}
		}
		return nil
	}
	for _, c := range []struct {
		text  string
		class class
		size  int
		sign  bool
		desc  string
		count int
	}{
		{"int", classInt, 4, true, "int", 0},
		{"unsigned  int", classInt, 4, false, "unsigned int", 0},
		{"unsigned", classInt, 4, false, "unsigned", 0},
		{"long unsigned int", classInt, 8, false, "long unsigned int", 0},
		{"u8", classInt, 1, false, "u8", 0},
		{"bool", classBool, 1, false, "bool", 0},
		{"const char *", classPointer, 8, false, "char *", 0},
		{"const char __user *", classPointer, 8, false, "char *", 0},
		{"const char *const *", classPointer, 8, false, "char **", 0},
		{"struct sock *", classPointer, 8, false, "struct sock *", 0},
		{"const struct sock * const", classPointer, 8, false, "struct sock *", 0},
		{"struct unknown *", classPointer, 8, false, "struct unknown *", 0},
		{"void *", classPointer, 8, false, "void *", 0},
		{"sector_t", classInt, 8, false, "sector_t", 0},
		{"enum state", classEnum, 4, false, "enum state", 0},
		{"char[16]", classArray, 0, false, "char[16]", 16},
		{"unsigned long [6]", classArray, 0, false, "unsigned long[6]", 6},
		{"u8[]", classArray, 0, false, "u8[0]", 0},
	} {
		typ := parseCType(c.text, named)
		if typ == nil {
			t.Errorf("%q: no type", c.text)
			continue
		}
		got := typeOf(typ, spaceKernel)
		if got.class != c.class || got.size != c.size || got.signed != c.sign || got.desc != c.desc || got.count != c.count {
			t.Errorf("%q: class %d size %d signed %v %q %d", c.text, got.class, got.size, got.signed, got.desc, got.count)
		}
	}
	if got := typeOf(parseCType("const char __user *", named), spaceKernel); got.space != spaceUser {
		t.Errorf("const char __user *: space %d", got.space)
	}
	for _, text := range []string{"", "*", "struct", "struct sock sock", "nonsense_t", "int int2", "char[99999999]", "char[x]", "int * x", "[4]"} {
		if typ := parseCType(text, named); typ != nil {
			t.Errorf("%q: %v, want none", text, typ)
		}
	}
}

func FuzzParseCType(f *testing.F) {
	f.Add("const char __user * [16]")
	f.Fuzz(func(t *testing.T, text string) {
		if typ := parseCType(text, func(_, _ string) btf.Type { return nil }); typ != nil {
			typeOf(typ, spaceEither)
		}
	})
}

func TestMatchGlob(t *testing.T) {
	for _, c := range []struct {
		glob, text string
		want       bool
	}{
		{"", "", true}, {"", "a", false}, {"*", "", true}, {"*", "abc", true}, {"a*", "abc", true}, {"a*", "ba", false},
		{"*c", "abc", true}, {"*b*", "abc", true}, {"*b*", "ac", false}, {"a?c", "abc", true}, {"a?c", "ac", false}, {"?", "", false},
		{"a**c", "ac", true}, {"*a*b*c", "xaybzc", true}, {"*ab", "aab", true}, {"*aab", "aaaab", true}, {"vfs_*", "vfs_read", true},
		{"abc", "abc", true}, {"abc", "ab", false},
	} {
		if got := matchGlob(c.glob, c.text); got != c.want {
			t.Errorf("matchGlob(%q, %q) = %v", c.glob, c.text, got)
		}
	}
}

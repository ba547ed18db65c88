package debuginfo

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf/btf"
	"github.com/google/go-cmp/cmp"

	"probetape/record/host/elfsym"
)

const samples = "../testdata/samples"

func open(t testing.TB, name string) (*elfsym.File, *Info) {
	t.Helper()
	f, err := elfsym.Open(filepath.Join(samples, name))
	if err != nil {
		t.Fatal(err)
	}
	i, err := New(f, nil)
	if err != nil {
		t.Fatal(err)
	}
	return f, i
}

func address(t testing.TB, f *elfsym.File, name string) uint64 {
	t.Helper()
	var addr uint64
	if err := f.Each(elfsym.Symtab, func(s *elfsym.Symbol) bool {
		if s.Name == name {
			addr = s.Address
		}
		return addr == 0
	}); err != nil {
		t.Fatal(err)
	}
	if addr == 0 {
		t.Fatalf("no symbol %s", name)
	}
	return addr
}

// c writes a type as C does, structs by their names.
func c(t btf.Type) string {
	switch t := t.(type) {
	case *btf.Void:
		return "void"
	case *btf.Int:
		return fmt.Sprintf("%s/%d%s", t.Name, t.Size, map[btf.IntEncoding]string{btf.Unsigned: "u", btf.Signed: "s", btf.Bool: "b"}[t.Encoding])
	case *btf.Float:
		return fmt.Sprintf("%s/%df", t.Name, t.Size)
	case *btf.Pointer:
		return c(t.Target) + "*"
	case *btf.Const:
		return "const " + c(t.Type)
	case *btf.Volatile:
		return "volatile " + c(t.Type)
	case *btf.Typedef:
		return t.Name + "=" + c(t.Type)
	case *btf.Array:
		return fmt.Sprintf("%s[%d]", c(t.Type), t.Nelems)
	case *btf.Struct:
		return fmt.Sprintf("struct %s/%d", t.Name, t.Size)
	case *btf.Union:
		return fmt.Sprintf("union %s/%d", t.Name, t.Size)
	case *btf.Fwd:
		return "fwd " + t.Name
	case *btf.FuncProto:
		return "function"
	case *btf.Enum:
		var values []string
		for _, v := range t.Values {
			values = append(values, fmt.Sprintf("%s=%d", v.Name, int64(v.Value)))
		}
		return fmt.Sprintf("enum %s/%d signed %v {%s}", t.Name, t.Size, t.Signed, strings.Join(values, " "))
	}
	return fmt.Sprintf("%T", t)
}

func signature(p *btf.FuncProto) string {
	var params []string
	for _, param := range p.Params {
		params = append(params, strings.TrimSpace(c(param.Type)+" "+param.Name))
	}
	return c(p.Return) + " (" + strings.Join(params, ", ") + ")"
}

func members(t *testing.T, typ btf.Type) []string {
	t.Helper()
	var list []btf.Member
	switch s := typ.(type) {
	case *btf.Struct:
		list = s.Members
	case *btf.Union:
		list = s.Members
	default:
		t.Fatalf("%s has no members", c(typ))
	}
	var lines []string
	for _, m := range list {
		lines = append(lines, fmt.Sprintf("%s %s at bit %d, %d bits", c(m.Type), m.Name, m.Offset, m.BitfieldSize))
	}
	return lines
}

// The expected types are those of sample.c, with the x86-64 ABI's sizes and offsets.
func TestProto(t *testing.T) {
	for _, name := range []string{"libsample.so", "libsample.so.debug", "libsample.dwarf2.so", "libsample.dwarf4z.so", "libsample.zstd.so"} {
		t.Run(name, func(t *testing.T) {
			f, info := open(t, name)
			for function, want := range map[string]string{
				"walk": "long int/8s (const struct node/80* node, short unsigned int/2u k, double/8f d, " +
					"enum color/4 signed true {RED=1 BLUE=-3} c, void)",
				"exported":      "int/4s (struct node/80* n)",
				"weak_function": "void ()",
				"copy_old":      "int/4s (int/4s x)",
				"probes":        "void ()",
				"fast":          "int/4s ()",
			} {
				p, err := info.Proto(address(t, f, function))
				if err != nil {
					t.Errorf("%s: %v", function, err)
					continue
				}
				if got := signature(p); got != want {
					t.Errorf("%s: %s, want %s", function, got, want)
				}
			}
			p, err := info.Proto(address(t, f, "exported"))
			if err != nil {
				t.Fatal(err)
			}
			node := p.Params[0].Type.(*btf.Pointer).Target.(*btf.Struct)
			want := []string{
				"struct node/80* next at bit 0, 0 bits",
				"struct bits/8 bits at bit 64, 0 bits",
				"enum color/4 signed true {RED=1 BLUE=-3} color at bit 128, 0 bits",
				"char/1s[16] name at bit 160, 0 bits",
				"int/4s[3][2] grid at bit 288, 0 bits",
				"union /4  at bit 480, 0 bits",
				"function* call at bit 512, 0 bits",
				"const volatile void* opaque at bit 576, 0 bits",
			}
			got := members(t, node)
			// Which of const and volatile is the outer one is the compiler's choice.
			got[len(got)-1] = strings.Replace(got[len(got)-1], "volatile const void", "const volatile void", 1)
			// The sample's struct node has 80 bytes.
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("struct node (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff([]string{
				"unsigned int/4u a at bit 0, 3 bits", "unsigned int/4u b at bit 3, 7 bits", "long long int/8s c at bit 10, 40 bits",
			}, members(t, node.Members[1].Type)); diff != "" {
				t.Errorf("struct bits (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff([]string{"int/4s i at bit 0, 0 bits", "float/4f f at bit 0, 0 bits"}, members(t, node.Members[5].Type)); diff != "" {
				t.Errorf("the union (-want +got):\n%s", diff)
			}
			if node.Members[0].Type.(*btf.Pointer).Target != btf.Type(node) {
				t.Error("next points to another struct node")
			}
		})
	}
}

func TestNotFound(t *testing.T) {
	f, info := open(t, "libsample.so")
	var missing *NotFoundError
	// Assembler has no debug information.
	if p, err := info.Proto(address(t, f, "no_size")); !errors.As(err, &missing) || !errors.Is(err, fs.ErrNotExist) || missing.Split {
		t.Errorf("%v, %v", p, err)
	}
	if p, err := info.Proto(1 << 40); !errors.As(err, &missing) {
		t.Errorf("%v, %v", p, err)
	}
	stripped, err := elfsym.Open(filepath.Join(samples, "libsample.stripped.so"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := New(stripped, nil); !errors.Is(err, fs.ErrNotExist) || Has(stripped) {
		t.Errorf("a stripped file: %v", err)
	}
}

func TestInlined(t *testing.T) {
	for _, name := range []string{"libsample.so", "libsample.dwarf2.so", "libsample.dwarf4z.so", "libsample.zstd.so"} {
		_, info := open(t, name)
		found, err := info.Inlined("inlined")
		if err != nil || found == nil {
			t.Errorf("%s: %v, %v", name, found, err)
			continue
		}
		slices.Sort(found.Into)
		if diff := cmp.Diff([]string{"exported", "walk"}, found.Into); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		for _, other := range []string{"walk", "absent", ""} {
			if found, err := info.Inlined(other); err != nil || found != nil {
				t.Errorf("%s: %q: %+v, %v", name, other, found, err)
			}
		}
	}
}

func TestAltLink(t *testing.T) {
	f, _ := open(t, "libsample.so")
	if path, id, err := AltLink(f); path != "" || id != "" || err != nil {
		t.Errorf("%q, %q, %v", path, id, err)
	}
}

// everything asks for all that the debug information of a file may hold, and checks what it gets.
func everything(t *testing.T, image []byte) {
	f, err := elfsym.New(bytes.NewReader(image), int64(len(image)))
	if err != nil {
		return
	}
	if _, _, err := AltLink(f); err != nil {
		t.Log(err)
	}
	info, err := New(f, nil)
	if err != nil {
		return
	}
	addresses := []uint64{0x560, 0x5a0, 0x5d0}
	for _, addr := range addresses {
		p, err := info.Proto(addr)
		if err != nil {
			continue
		}
		if p.Return == nil || len(p.Params) > maxParams {
			t.Fatalf("%+v", p)
		}
		for _, param := range p.Params {
			if param.Type == nil {
				t.Fatalf("parameter %q without a type", param.Name)
			}
			if s := btf.UnderlyingType(param.Type); s == nil {
				t.Fatalf("parameter %q has no underlying type", param.Name)
			}
		}
	}
	if found, err := info.Inlined("inlined"); err == nil && found != nil && len(found.Into) > maxInto {
		t.Fatalf("%+v", found)
	}
}

// TestDamaged changes every byte of the debug information in turn: none makes it panic or hang.
func TestDamaged(t *testing.T) {
	image, err := os.ReadFile(filepath.Join(samples, "libsample.so"))
	if err != nil {
		t.Fatal(err)
	}
	f, err := elfsym.New(bytes.NewReader(image), int64(len(image)))
	if err != nil {
		t.Fatal(err)
	}
	for _, section := range []string{".debug_info", ".debug_abbrev", ".debug_rnglists"} {
		s := f.Section(section)
		if s == nil {
			t.Fatalf("no section %s", section)
		}
		for off := s.Offset; off < s.Offset+s.Size; off++ {
			changed := slices.Clone(image)
			changed[off] ^= 0xff
			begin := time.Now()
			everything(t, changed)
			if took := time.Since(begin); took > 10*time.Second {
				t.Errorf("%s, byte %#x changed: %v", section, off, took)
			}
		}
	}
}

func FuzzInfo(f *testing.F) {
	for _, name := range []string{"libsample.so", "libsample.dwarf2.so", "libsample.dwarf4z.so", "libsample.so.debug"} {
		image, err := os.ReadFile(filepath.Join(samples, name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(image)
	}
	f.Fuzz(everything)
}

func BenchmarkProto(b *testing.B) {
	f, _ := open(b, "libsample.so")
	addr := address(b, f, "walk")
	for b.Loop() {
		info, err := New(f, nil)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := info.Proto(addr); err != nil {
			b.Fatal(err)
		}
	}
}

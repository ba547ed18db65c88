package host

import (
	"encoding/binary"
	"errors"
	"io/fs"
	"testing"

	"github.com/cilium/ebpf/btf"
	"github.com/google/go-cmp/cmp"

	"probetape/record/resolve"
)

// typesOf makes BTF of one type of every kind and of typedefs with these names.
func typesOf(t testing.TB, names ...string) []byte {
	t.Helper()
	u32 := &btf.Int{Name: "u32", Size: 4}
	proto := &btf.FuncProto{Return: &btf.Void{}, Params: []btf.FuncParam{{Name: "data", Type: &btf.Pointer{Target: &btf.Void{}}}, {Name: "n", Type: u32}}}
	types := []btf.Type{
		u32,
		&btf.Struct{Name: "file", Size: 8, Members: []btf.Member{{Name: "a", Type: u32}, {Name: "b", Type: u32, Offset: 32}}},
		&btf.Union{Name: "either", Size: 4, Members: []btf.Member{{Name: "a", Type: u32}}},
		&btf.Enum{Name: "small", Size: 4, Values: []btf.EnumValue{{Name: "A", Value: 1}, {Name: "B", Value: 2}}},
		&btf.Enum{Name: "large", Size: 8, Values: []btf.EnumValue{{Name: "C", Value: 1 << 40}}},
		&btf.Array{Index: u32, Type: u32, Nelems: 3},
		&btf.Fwd{Name: "later"},
		&btf.Func{Name: "btf_trace_not_a_typedef", Type: proto, Linkage: btf.GlobalFunc},
		&btf.Var{Name: "variable", Type: u32, Linkage: btf.GlobalVar},
		&btf.Float{Name: "f", Size: 4},
		&btf.Typedef{Name: "unrelated", Type: u32},
	}
	for _, n := range names {
		types = append(types, &btf.Typedef{Name: rawPrefix + n, Type: &btf.Pointer{Target: proto}})
	}
	b, err := btf.NewBuilder(types, nil)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := b.Marshal(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestTypedefs(t *testing.T) {
	raw := typesOf(t, "sched_switch", "sys_enter")
	got, strs, err := typedefs(raw, nil, rawPrefix)
	if diff := cmp.Diff([]string{"sched_switch", "sys_enter"}, got); diff != "" || err != nil || len(strs) == 0 {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if got, _, err := typedefs(raw, nil, "unrel"); len(got) != 1 || got[0] != "ated" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	for n := range raw {
		if got, _, err := typedefs(raw[:n], nil, rawPrefix); err == nil {
			t.Fatalf("cut after %d of %d bytes: %q and no error", n, len(raw), got)
		}
	}
	for _, off := range []int{0, 1, 2} { // magic and version
		changed := append([]byte(nil), raw...)
		changed[off] ^= 0xff
		if _, _, err := typedefs(changed, nil, rawPrefix); err == nil {
			t.Errorf("byte %d changed: no error", off)
		}
	}
}

func FuzzTypedefs(f *testing.F) {
	f.Add(typesOf(f, "sched_switch"), []byte("\x00base\x00"))
	f.Fuzz(func(t *testing.T, raw, base []byte) {
		names, _, err := typedefs(raw, base, "b")
		if err == nil && len(names) > len(raw)/btfType {
			t.Fatalf("%d names of %d bytes", len(names), len(raw))
		}
	})
}

func TestTypes(t *testing.T) {
	kernel := typesOf(t, "sched_switch", "sys_enter")
	h := tree(t, map[string]string{
		"/sys/kernel/btf/vmlinux":   string(kernel),
		"/sys/kernel/btf/nf_tables": string(splitTypes(kernel, "btf_trace_nf_table_add")),
	})
	spec, err := h.Types("")
	if err != nil {
		t.Fatal(err)
	}
	var file *btf.Struct
	if err := spec.TypeByName("file", &file); err != nil || file.Size != 8 {
		t.Errorf("%+v, %v", file, err)
	}
	if again, err := h.Types(""); again != spec || err != nil {
		t.Error("the types were read twice")
	}
	module, err := h.Types("nf_tables")
	if err != nil {
		t.Fatal(err)
	}
	var own *btf.Typedef
	if err := module.TypeByName("btf_trace_nf_table_add", &own); err != nil || own.Type.TypeName() != "u32" {
		t.Errorf("%+v, %v", own, err)
	}
	want := []resolve.RawTracepoint{{Name: "nf_table_add", Module: "nf_tables"}, {Name: "sched_switch"}, {Name: "sys_enter"}}
	got, err := h.RawTracepoints()
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	for _, name := range []string{"absent", "../btf/nf_tables", "a\x00b"} {
		if _, err := h.Types(name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("types of %q: %v", name, err)
		}
	}
	h = tree(t, nil)
	var access *resolve.AccessError
	if _, err := h.Types(""); !errors.Is(err, fs.ErrNotExist) || !errors.As(err, &access) {
		t.Errorf("no types: %v", err)
	}
	if _, err := h.RawTracepoints(); !errors.Is(err, fs.ErrNotExist) || !errors.As(err, &access) {
		t.Errorf("no types: %v", err)
	}
}

// splitTypes is the BTF of a module: one typedef of the kernel's first type, whose name is in the module's own strings, which go on where the
// kernel's end.
func splitTypes(kernel []byte, name string) []byte {
	le := binary.LittleEndian
	strs := "\x00" + name + "\x00"
	raw := []byte{btfMagic & 0xff, btfMagic >> 8, btfVersion, 0}
	for _, n := range []int{btfHeader, 0, btfType, btfType, len(strs)} {
		raw = le.AppendUint32(raw, uint32(n))
	}
	for _, n := range []uint32{le.Uint32(kernel[20:]) + 1, btfTypedef << 24, 1} {
		raw = le.AppendUint32(raw, n)
	}
	return append(raw, strs...)
}

package recorded

import (
	"os"
	"testing"

	"github.com/cilium/ebpf/btf"
)

func TestRead(t *testing.T) {
	f, err := os.Open("../testdata/hosts/linux-6.18.host")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	h, err := Read(f)
	if err != nil {
		t.Fatal(err)
	}
	// Layouts as gcc gives them for x86-64: printed by a C program with the same declarations.
	spec, err := h.Types("")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, member string
		offset, bits uint32
		size         uint32
	}{
		{"file", "f_pos", 24, 0, 56},
		{"qstr", "name", 16, 0, 24},
		{"sock_common", "skc_num", 10, 0, 32},
		{"sock_common", "skc_reuseport", 15, 1, 32},
		{"sock", "sk_pacing_status", 44, 0, 56},
		{"task_struct", "nice_delta", 88, 6, 168},
		{"task_struct", "stack_canary", 96, 0, 168},
	} {
		var s *btf.Struct
		if err := spec.TypeByName(c.name, &s); err != nil {
			t.Fatal(err)
		}
		if s.Size != c.size {
			t.Errorf("struct %s has %d bytes, want %d", c.name, s.Size, c.size)
		}
		for _, m := range s.Members {
			if m.Name == c.member && (m.Offset.Bytes() != c.offset || uint32(m.BitfieldSize) != c.bits) {
				t.Errorf("%s.%s: offset %d bits %d, want %d %d", c.name, c.member, m.Offset.Bytes(), m.BitfieldSize, c.offset, c.bits)
			}
		}
	}
}

package errno

import "testing"

func TestNames(t *testing.T) {
	seen := map[string]bool{}
	for n := range table {
		e := table[n]
		if e == (Error{}) {
			continue
		}
		if e.Name == "" || e.Text == "" || seen[e.Name] {
			t.Errorf("%d: %q, %q", n, e.Name, e.Text)
		}
		seen[e.Name] = true
		if back, ok := Number(e.Name); !ok || int(back) != n || Name(uint16(n)) != e.Name {
			t.Errorf("%s is %d and reads back as %d", e.Name, n, back)
		}
	}
	for n, want := range map[uint16]string{0: "E0", 41: "E41", 134: "E134", 520: "E520", 4095: "E4095", 65535: "E65535"} {
		if got := Name(n); got != want || Text(n) != "" {
			t.Errorf("%d is %s, %q; want %s", n, got, Text(n), want)
		}
	}
	if _, ok := Number("ENOTHING"); ok {
		t.Error("ENOTHING has a number")
	}
}

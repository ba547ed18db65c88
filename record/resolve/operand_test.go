package resolve

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestParseOperands reads every form that gcc and clang write for x86-64, as <sys/sdt.h> and SystemTap's documentation list them.
func TestParseOperands(t *testing.T) {
	for text, want := range map[string][]*Operand{
		"":                      nil,
		"8@%rdi":                {{Size: 8, Base: "rdi"}},
		"-4@%esi":               {{Size: 4, Signed: true, Base: "rsi"}},
		"2@%ax":                 {{Size: 2, Base: "rax"}},
		"1@%dil":                {{Size: 1, Base: "rdi"}},
		"1@%ah":                 {{Size: 1, Base: "rax", RegOff: 1}},
		"-1@%bh":                {{Size: 1, Signed: true, Base: "rbx", RegOff: 1}},
		"1@%cl":                 {{Size: 1, Base: "rcx"}},
		"-4@%r14d":              {{Size: 4, Signed: true, Base: "r14"}},
		"2@%r9w":                {{Size: 2, Base: "r9"}},
		"1@%r15b":               {{Size: 1, Base: "r15"}},
		"8@%r8":                 {{Size: 8, Base: "r8"}},
		"8@%eax":                {{Size: 8, Base: "rax"}},
		"-4@$-1":                {{Size: 4, Signed: true, Const: true, Value: -1}},
		"1@$0":                  {{Size: 1, Const: true}},
		"8@$0xffffffffffffffff": {{Size: 8, Const: true, Value: -1}},
		"8@152(%rdi)":           {{Size: 8, Mem: true, Value: 152, Base: "rdi"}},
		"-4@-60(%rbp)":          {{Size: 4, Signed: true, Mem: true, Value: -60, Base: "rbp"}},
		"8@(%rsp)":              {{Size: 8, Mem: true, Base: "rsp"}},
		"8@0x10(%rip)":          {{Size: 8, Mem: true, Value: 16, Base: "rip"}},
		"8@(%rax,%rbx,8)":       {{Size: 8, Mem: true, Base: "rax", Index: "rbx", Scale: 8}},
		"-2@-8(%r12,%r13)":      {{Size: 2, Signed: true, Mem: true, Value: -8, Base: "r12", Index: "r13", Scale: 1}},
		"8@16(%rax, %rbx, 4) -4@%edi": {
			{Size: 8, Mem: true, Value: 16, Base: "rax", Index: "rbx", Scale: 4}, {Size: 4, Signed: true, Base: "rdi"},
		},
	} {
		var got []*Operand
		for _, o := range parseOperands(text) {
			if o.err != nil {
				t.Errorf("%q: %v", text, o.err)
			}
			got = append(got, o.Operand)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q:\n%s", text, diff)
		}
	}
}

func TestParseOperandsRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"8%rdi":               "no size",
		"3@%rdi":              "size",
		"8f@%xmm0":            "floating-point",
		"8@%xmm0":             "register",
		"8@%r16":              "register",
		"8@%r08":              "register",
		"1@%ipl":              "register",
		"8@stdout(%rip)":      "offset",
		"8@stdout":            "place",
		"8@(%eax)":            "register",
		"8@(%rax,%rbx,3)":     "scale",
		"8@(%rax,%rbx,1,2)":   "place",
		"8@99999999999(%rax)": "offset",
		"8@$x":                "constant",
	} {
		// One that cannot be read leaves the others as they are.
		got := parseOperands("8@%rdi " + text + " -4@%esi")
		if len(got) != 3 || got[0].err != nil || got[2].err != nil || got[1].Operand != nil || !strings.Contains(got[1].err.Error(), want) {
			t.Errorf("%q: %+v; want an error with %q", text, got, want)
		}
	}
}

func FuzzParseOperands(f *testing.F) {
	f.Add("8@%rdi -4@$-1 8@16(%rax, %rbx, 4)")
	f.Fuzz(func(t *testing.T, text string) {
		for _, o := range parseOperands(text) {
			if o.err != nil {
				continue
			}
			if o.Size != 1 && o.Size != 2 && o.Size != 4 && o.Size != 8 {
				t.Fatalf("size %d", o.Size)
			}
			if o.Const && (o.Base != "" || o.Mem) || !o.Const && o.Base == "" {
				t.Fatalf("no place: %+v", o)
			}
			if o.Index != "" && (!o.Mem || o.Scale < 1 || o.Scale > 8) {
				t.Fatalf("index without memory: %+v", o)
			}
		}
	})
}

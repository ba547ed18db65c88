package resolve_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"probetape/record/kits"
	"probetape/record/resolve"
	"probetape/record/resolve/generate"
	"probetape/record/spec"
	"probetape/schemas"
	"probetape/schemas/expr"
)

// FuzzCheck holds that no text brings the checker down, that it says something about each text that it refuses, and that what it accepts
// compiles.
func FuzzCheck(f *testing.F) {
	for _, k := range kits.All() {
		f.Add(k.Text)
	}
	f.Add(ten)
	files, err := filepath.Glob("testdata/plans/*.probes")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	mistakes, err := os.ReadFile("testdata/mistakes/linux-6.18.txt")
	if err != nil {
		f.Fatal(err)
	}
	for _, c := range strings.Split(string(mistakes), "\n==== ") {
		_, body, _ := strings.Cut(c, "\n")
		program, _, _ := strings.Cut(body, "----\n")
		f.Add(program)
	}
	host := testHost(f, "linux-6.18")
	g, err := generate.New(host, 2, generate.Options{Binaries: []string{"bash", "server", "libjvm.so"}})
	if err != nil {
		f.Fatal(err)
	}
	for range 50 {
		f.Add(g.Program())
	}
	f.Fuzz(func(t *testing.T, text string) {
		prog, diags := spec.Parse(&expr.Source{Name: "fuzz", Text: text})
		plan, more := resolve.Check(prog, host, resolve.Options{MaxSites: 2000})
		if plan == nil {
			if !diags.HasErrors() && !more.HasErrors() {
				t.Fatal("refused, and nothing is said about it")
			}
			return
		}
		if more.HasErrors() {
			t.Fatalf("a plan in spite of %v", more)
		}
		if diags.HasErrors() {
			return // what is left of the program would record, but its author is told first
		}
		checkDense(t, plan)
		for _, s := range plan.Statements {
			if l := schemas.LayoutOf(&s.Table); l.Max > schemas.MaxRecord {
				t.Fatalf("a record of %d bytes", l.Max)
			}
		}
		if err := compiles(plan); err != nil {
			t.Fatal(err)
		}
	})
}

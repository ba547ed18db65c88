package resolve_test

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"probetape/record/resolve"
	"probetape/record/spec"
	"probetape/schemas/expr"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestMistakes holds what is said about mistakes: position, sentence, mark and hints, word for word.
func TestMistakes(t *testing.T) {
	const file = "testdata/mistakes.txt"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	host := testHost(t, "linux-6.18")
	head, rest, _ := strings.Cut(string(text), "\n==== ")
	out := head + "\n"
	count := 0
	for _, c := range strings.Split(rest, "\n==== ") {
		title, body, ok := strings.Cut(c, "\n")
		program, want, ok2 := strings.Cut(body, "----\n")
		if !ok || !ok2 {
			// The last one of the file may have nothing below its line.
			program, want = strings.TrimSuffix(strings.TrimSuffix(body, "\n"), "----"), ""
		}
		count++
		got := said(t, host, program)
		if got == "" {
			t.Errorf("%s: nothing is said about it", title)
		}
		if !*update && strings.TrimSpace(got) != strings.TrimSpace(want) {
			t.Errorf("%s: (-want +got)\n%s", title, cmp.Diff(strings.TrimSpace(want), strings.TrimSpace(got)))
		}
		out += "==== " + title + "\n" + strings.TrimRight(program, "\n") + "\n----\n" + strings.TrimRight(got, "\n") + "\n"
	}
	if count < 50 {
		t.Errorf("%d mistakes, want at least 50", count)
	}
	if *update {
		if err := os.WriteFile(file, []byte(out), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// said returns what the parser and the checker say about a program.
func said(t *testing.T, host resolve.Host, program string) string {
	t.Helper()
	prog, diags := spec.Parse(&expr.Source{Name: "-e", Text: strings.TrimRight(program, "\n")})
	plan, more := resolve.Check(prog, host, resolve.Options{})
	if (plan == nil) != (more.HasErrors() || diags.HasErrors()) {
		t.Errorf("%q: plan %v, though the errors are %v %v", program, plan != nil, diags, more)
	}
	var b strings.Builder
	if err := append(diags, more...).Render(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

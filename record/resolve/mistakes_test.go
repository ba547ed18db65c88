package resolve_test

import (
	"flag"
	"os"
	"path/filepath"
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
	files, err := filepath.Glob("testdata/mistakes/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".txt")
		t.Run(name, func(t *testing.T) { count += mistakes(t, testHost(t, name), file) })
	}
	if count < 100 {
		t.Errorf("%d mistakes, want at least 100", count)
	}
}

// mistakes compares what is said about the programs in a file with what is written there, and returns how many they are.
func mistakes(t *testing.T, host resolve.Host, file string) int {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, _ := strings.Cut(string(text), "\n==== ")
	out := head + "\n"
	count := 0
	for _, c := range strings.Split(rest, "\n==== ") {
		title, body, _ := strings.Cut(c, "\n")
		program, want, ok := strings.Cut(body+"\n", "----\n")
		if !ok {
			t.Fatalf("%s: no line of four dashes", title)
		}
		program = strings.TrimRight(program, "\n")
		count++
		got := strings.TrimSpace(said(t, host, program))
		if got == "" {
			t.Errorf("%s: nothing is said about it", title)
		}
		if !*update {
			if diff := cmp.Diff(strings.TrimSpace(want), got); diff != "" {
				t.Errorf("%s: (-want +got)\n%s", title, diff)
			}
		}
		out += "==== " + title + "\n" + program + "\n----\n" + got + "\n"
	}
	if *update {
		if err := os.WriteFile(file, []byte(out), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return count
}

// said returns what the parser and the checker say about a program.
func said(t *testing.T, host resolve.Host, program string) string {
	t.Helper()
	prog, diags := spec.Parse(&expr.Source{Name: "-e", Text: program})
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

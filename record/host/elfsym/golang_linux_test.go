package elfsym

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// TestGoFunctionsOfThisProgram holds the line table of the running test against what the runtime says of it.
func TestGoFunctionsOfThisProgram(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	f, err := Open(exe)
	if err != nil {
		t.Fatal(err)
	}
	list, err := f.GoFunctions()
	if err != nil {
		t.Fatal(err)
	}
	if len(list) < 1000 || !f.Go() {
		t.Fatalf("%d functions in a Go program (%v)", len(list), f.Go())
	}
	same := 0
	for _, s := range list {
		fn := runtime.FuncForPC(uintptr(s.Address))
		if fn == nil || fn.Entry() != uintptr(s.Address) {
			t.Fatalf("%s is not at %#x", s.Name, s.Address)
		}
		// The runtime shortens the names of generic functions, and names what is inlined at the very beginning.
		if fn.Name() == s.Name {
			same++
		}
	}
	if same < len(list)*8/10 {
		t.Errorf("%d of %d names are the runtime's", same, len(list))
	}
}

// TestGoFunctionsOfEveryLink holds line tables against the symbol tables of the same programs, linked in every way.
func TestGoFunctionsOfEveryLink(t *testing.T) {
	dir := t.TempDir()
	source := filepath.Join(dir, "main.go")
	if err := os.WriteFile(source, []byte("package main\n\nimport \"os\"\n\nfunc main() { os.Stdout.WriteString(\"hello\") }\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		cgo  string
		args []string
	}{
		"static":       {"0", nil},
		"pie":          {"0", []string{"-buildmode=pie"}},
		"external":     {"1", []string{"-ldflags=-linkmode=external"}},
		"external-pie": {"1", []string{"-buildmode=pie", "-ldflags=-linkmode=external"}},
	} {
		t.Run(name, func(t *testing.T) {
			exe := filepath.Join(dir, name)
			cmd := exec.Command("go", append(append([]string{"build", "-o", exe}, c.args...), source)...)
			cmd.Env = append(os.Environ(), "CGO_ENABLED="+c.cgo, "GOFLAGS=")
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			f, err := Open(exe)
			if err != nil {
				t.Fatal(err)
			}
			want := map[string][]uint64{}
			if err := f.Each(Symtab, func(s *Symbol) bool {
				// The line table has the name of the source for the function and for its wrapper that assembler calls.
				name := strings.TrimSuffix(s.Name, ".abi0")
				want[name] = append(want[name], s.Address)
				return true
			}); err != nil {
				t.Fatal(err)
			}
			list, err := f.GoFunctions()
			if err != nil {
				t.Fatal(err)
			}
			compared := 0
			for _, s := range list {
				if addrs, ok := want[s.Name]; ok {
					compared++
					if !slices.Contains(addrs, s.Address) {
						t.Fatalf("%s at %#x, in the symbol table at %#x", s.Name, s.Address, addrs)
					}
				}
			}
			if compared < 1000 {
				t.Errorf("only %d of %d functions are in the symbol table", compared, len(list))
			}
		})
	}
}

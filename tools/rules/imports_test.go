package rules

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// module is the path that our own imports begin with.
const module = "probetape/"

// A rule says what the packages of a folder may import besides the standard library: ours by folder, others by the beginning of their
// path. A name that ends in /... stands for everything below it too.
type rule struct {
	folder string
	ours   []string
	others []string
	why    string
}

// rules are looked up by the most specific folder. A folder that none covers fails the test: a new package states its rule here.
var rules = []rule{
	{"schemas", nil, nil, "both halves share it, so it must not need either"},
	{"schemas/gen", []string{"schemas", "bpf"}, nil, "it writes the C header from the structs of both"},
	{"schemas/expr", []string{"schemas"}, nil, "it is used on the host that records and on the one that analyses"},

	{"bpf", nil, []string{ebpf}, "it holds what clang made"},
	{"record/spec", []string{"schemas", "schemas/expr"}, nil, "text to tree asks no host"},
	{"record/resolve", []string{"schemas", "schemas/expr", "record/spec"}, []string{ebpf + "/btf"}, "it asks the host through an interface only"},
	{"record/resolve/...", []string{"schemas", "schemas/expr", "record/spec", "record/resolve"}, []string{ebpf + "/btf"}, "so do its parts"},
	{"record/compile", []string{"schemas", "record/resolve", "bpf"}, []string{ebpf}, "it is pure: plan in, instructions out"},
	{"record/host/...", []string{"schemas", "record/resolve", "record/host/..."}, []string{ebpf + "/btf", xsys, demangle, "github.com/klauspost/compress/zstd"}, "it answers for the host, and loads nothing"},
	{"record/attach", []string{"schemas", "record/compile", "record/ring", "bpf"}, []string{ebpf, xsys}, "it knows programs, not their text"},
	{"record/ring", nil, []string{ebpf}, "it moves bytes"},
	{"record/decode", []string{"schemas"}, nil, "it is pure: bytes in, batches out"},
	{"record/kits", nil, nil, "kits are text"},
	{"record/launch", nil, []string{xsys}, "it starts processes"},
	{"record/proc", nil, []string{xsys}, "it reads text files"},
	{"record", []string{"schemas", "schemas/expr", "record/...", "bpf", "store"}, []string{ebpf, xsys}, "the recorder never analyses"},

	{"store/...", []string{"schemas", "store/..."}, []string{
		"go.etcd.io/bbolt", "github.com/apache/arrow/go/v15", "github.com/klauspost/compress", "github.com/pierrec/lz4/v4",
		"github.com/google/flatbuffers", "filippo.io/age", xsys,
	}, "it alone knows bbolt and Arrow"},

	{"analyze/...", []string{"schemas", "schemas/expr", "analyze/..."}, []string{
		"github.com/HdrHistogram/hdrhistogram-go", "github.com/prometheus/common", "github.com/prometheus/client_model",
	}, "replay needs no kernel, no recorder and no store"},

	{"serve", nil, nil, "what it serves is handed to it"},

	{"cmd/probetape", []string{"..."}, []string{"github.com/urfave/cli/v2", xsys}, "it puts the parts together"},

	{"test/...", []string{"test/..."}, nil, "it drives the built program from outside"},
	{"tools/...", []string{"tools/...", "test/programs"}, nil, "tools build the project and are not part of it"},
	{"testdata/...", []string{"..."}, nil, "generators of test data"},
}

const (
	ebpf     = "github.com/cilium/ebpf"
	xsys     = "golang.org/x/sys"
	demangle = "github.com/ianlancetaylor/demangle"
)

func TestImports(t *testing.T) {
	for dir, files := range sources(t) {
		r, ok := ruleFor(dir)
		if !ok {
			t.Errorf("folder %s has no rule: say in tools/rules what it may import, and why", dir)
			continue
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue // tests may call witnesses
			}
			for _, imp := range imports(t, file) {
				if !r.allows(dir, imp) {
					t.Errorf("%s imports %q, which %s may not: %s", file, imp, dir, r.why)
				}
			}
		}
	}
}

// forbidden names imports that not even tests of a folder may have.
var forbidden = []struct{ folder, imp, why string }{
	{"analyze", module + "record", "a test of replay that needs the recorder cannot run elsewhere"},
	{"analyze", module + "bpf", "a test of replay that needs BPF cannot run elsewhere"},
	{"", "github.com/apache/arrow/go/v15/parquet/pqarrow", "it brings gRPC into the program (22 MB)"},
	{"", "C", "the program is built without cgo"},
}

func TestForbiddenImports(t *testing.T) {
	for dir, files := range sources(t) {
		for _, file := range files {
			for _, imp := range imports(t, file) {
				for _, f := range forbidden {
					if below(dir, f.folder) && (imp == f.imp || strings.HasPrefix(imp, f.imp+"/")) {
						t.Errorf("%s imports %q: %s", file, imp, f.why)
					}
				}
			}
		}
	}
}

func (r rule) allows(dir, imp string) bool {
	if own, ok := strings.CutPrefix(imp, module); ok {
		return own == dir || slices.ContainsFunc(r.ours, func(pattern string) bool { return covers(pattern, own) })
	}
	first, _, _ := strings.Cut(imp, "/")
	if !strings.Contains(first, ".") {
		return true // the standard library
	}
	return slices.ContainsFunc(r.others, func(prefix string) bool { return imp == prefix || strings.HasPrefix(imp, prefix+"/") })
}

// covers reports whether a folder, or everything below it, is meant by a pattern.
func covers(pattern, dir string) bool {
	if pattern == "..." {
		return true
	}
	if top, ok := strings.CutSuffix(pattern, "/..."); ok {
		return below(dir, top)
	}
	return pattern == dir
}

func below(dir, top string) bool { return top == "" || dir == top || strings.HasPrefix(dir, top+"/") }

func ruleFor(dir string) (rule, bool) {
	var best rule
	for _, r := range rules {
		if covers(r.folder, dir) && len(r.folder) > len(best.folder) {
			best = r
		}
	}
	return best, best.folder != ""
}

func imports(t *testing.T, file string) []string {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, file), nil, parser.ImportsOnly)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, spec := range f.Imports {
		name, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, name)
	}
	return list
}

// root is the top of the tree, seen from this folder.
const root = "../.."

// sources returns the .go files of the tree by folder, with slashes, relative to the top.
func sources(t *testing.T) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && p != root && strings.HasPrefix(d.Name(), ".") {
			return fs.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(p, ".go") {
			return nil
		}
		rel, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		found[path.Dir(rel)] = append(found[path.Dir(rel)], rel)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(found) < 10 {
		t.Fatalf("only %d folders with Go files found below %s", len(found), mustAbs(t))
	}
	return found
}

func mustAbs(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	return path.Join(filepath.ToSlash(dir), root)
}

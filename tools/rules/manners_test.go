package rules

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestPackageComments: each package says in its doc.go what it is; a program says it in its main file.
func TestPackageComments(t *testing.T) {
	for dir, files := range sources(t) {
		if strings.HasPrefix(dir, "testdata/") || strings.Contains(dir, "/testdata/") {
			continue
		}
		commented := false
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, file), nil, parser.PackageClauseOnly|parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			commented = commented || f.Doc != nil
		}
		if !commented {
			t.Errorf("package %s has no package comment", dir)
		}
	}
}

var (
	errorText = regexp.MustCompile(`(?i)^(failed to|could not|unable to|error |cannot )`)
	errorFunc = map[string]bool{"Errorf": true, "New": true}
)

// TestErrorTexts: an error says what was being done, in lower case, and does not say that it is an error.
func TestErrorTexts(t *testing.T) {
	for _, files := range sources(t) {
		for _, file := range files {
			fset := token.NewFileSet()
			f, err := parser.ParseFile(fset, filepath.Join(root, file), nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(f, func(n ast.Node) bool {
				text, ok := errorLiteral(n)
				if ok && errorText.MatchString(text) {
					t.Errorf("%s: error text %s: name what was being done (opening segment 3: ...)", fset.Position(n.Pos()), text)
				}
				if ok && strings.HasSuffix(text, ".") && !strings.HasSuffix(text, "...") {
					t.Errorf("%s: error text %s ends with a full stop", fset.Position(n.Pos()), text)
				}
				return true
			})
		}
	}
}

// errorLiteral returns the text of fmt.Errorf("...") and errors.New("...").
func errorLiteral(n ast.Node) (string, bool) {
	call, ok := n.(*ast.CallExpr)
	if !ok || len(call.Args) == 0 {
		return "", false
	}
	sel, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || !errorFunc[sel.Sel.Name] {
		return "", false
	}
	if pkg, ok := sel.X.(*ast.Ident); !ok || pkg.Name != "fmt" && pkg.Name != "errors" {
		return "", false
	}
	lit, ok := call.Args[0].(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return "", false
	}
	return strings.Trim(lit.Value, "\"`"), true
}

// vague names say nothing of what is inside.
var vague = regexp.MustCompile(`(^|/)(utils?|common|helpers?|misc|types)(/|$)`)

func TestPackageNames(t *testing.T) {
	for dir := range sources(t) {
		if vague.MatchString(dir) {
			t.Errorf("folder %s: the name says nothing of what is inside", dir)
		}
	}
}

// TestUnfinished: work that is named and not done is not left in the tree.
func TestUnfinished(t *testing.T) {
	unfinished := regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|XX` + `X)\b`)
	for _, files := range sources(t) {
		for _, file := range files {
			text, err := os.ReadFile(filepath.Join(root, file))
			if err != nil {
				t.Fatal(err)
			}
			if at := unfinished.FindIndex(text); at != nil {
				t.Errorf("%s names unfinished work: %q", file, text[at[0]:at[1]])
			}
		}
	}
}

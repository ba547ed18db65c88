package testresult

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// Verdict is what is wrong with a run, and its totals.
type Verdict struct {
	Passed, Failed, Skipped int
	Problems                []string // empty: the run is good
}

// Judge writes a line per package, the skips with their reasons and the output of what failed, and returns the verdict. Tests
// named in must, by package, have to be among the results.
func (r *Results) Judge(w io.Writer, where Where, must map[string][]string) Verdict {
	var v Verdict
	for _, p := range r.Packages() {
		v.judgePackage(w, p, where)
	}
	for pkg, names := range must {
		p := r.packages[pkg]
		for _, name := range names {
			if p == nil || p.tests[name] == nil {
				v.problem("%s %s did not run", pkg, name)
			}
		}
	}
	return v
}

func (v *Verdict) judgePackage(w io.Writer, p *Package, where Where) {
	passed, failed, skipped := p.Count(Pass), p.Count(Fail)+p.Count(Unfinished), p.Count(Skip)
	v.Passed, v.Failed, v.Skipped = v.Passed+passed, v.Failed+failed, v.Skipped+skipped
	ok := p.Status == Pass || p.Status == Skip
	if passed+failed+skipped == 0 && ok {
		return // no test files, or none selected
	}
	word := "ok  "
	if !ok || failed > 0 {
		word = "FAIL"
	}
	fmt.Fprintf(w, "%s %-40s %4d passed %3d failed %3d skipped  %s\n", word, p.Path, passed, failed, skipped, p.Elapsed.Round(10*time.Millisecond))
	for _, t := range p.Tests() {
		v.judgeTest(w, p, t, where)
	}
	if !ok && failed == 0 {
		v.problem("%s: %s", p.Path, p.Status)
	}
	if !ok {
		fmt.Fprint(w, indent(p.Output))
	}
}

func (v *Verdict) judgeTest(w io.Writer, p *Package, t *Test, where Where) {
	switch t.Status {
	case Fail, Unfinished:
		v.problem("%s %s: %s", p.Path, t.Name, t.Status)
		fmt.Fprintf(w, "  %s %s\n%s", t.Status, t.Name, indent(t.Output))
	case Skip:
		text := skipText(t)
		if ok, why := where.Justified(text); !ok {
			v.problem("%s %s was skipped (%q): %s", p.Path, t.Name, text, why)
		}
		fmt.Fprintf(w, "  skip %s: %s\n", t.Name, text)
	}
}

func (v *Verdict) problem(format string, args ...any) {
	v.Problems = append(v.Problems, fmt.Sprintf(format, args...))
}

// Good reports whether everything ran and passed. A run without a single test is not good.
func (v Verdict) Good() bool { return len(v.Problems) == 0 && v.Passed > 0 }

// String is the run's last line.
func (v Verdict) String() string {
	return fmt.Sprintf("%d passed, %d failed, %d skipped, %d problems", v.Passed, v.Failed, v.Skipped, len(v.Problems))
}

func indent(text string) string {
	if text = strings.TrimRight(text, "\n"); text == "" {
		return ""
	}
	return "    " + strings.ReplaceAll(text, "\n", "\n    ") + "\n"
}

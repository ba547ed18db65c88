package testresult

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"sort"
	"strings"
	"time"
)

// event is one line of `go test -json` or `go tool test2json`.
type event struct {
	Action      string
	Package     string
	ImportPath  string // of build-output lines
	Test        string
	Elapsed     float64 // seconds
	Output      string
	FailedBuild string
}

// Status is how a test or a package ended.
type Status string

// The ends of a test. Unfinished is a test that began and was never heard of again: its process died.
const (
	Pass       Status = "pass"
	Fail       Status = "fail"
	Skip       Status = "skip"
	Unfinished Status = "unfinished"
)

// Test is one test or subtest.
type Test struct {
	Name    string
	Status  Status
	Elapsed time.Duration
	Output  string // everything that it printed
}

// Package is one package's run.
type Package struct {
	Path    string
	Status  Status
	Elapsed time.Duration
	Output  string // what belongs to no test: panics, build errors, messages of TestMain
	tests   map[string]*Test
	order   []string
}

// Tests returns the tests in the order in which they began.
func (p *Package) Tests() []*Test {
	tests := make([]*Test, 0, len(p.order))
	for _, name := range p.order {
		tests = append(tests, p.tests[name])
	}
	return tests
}

// Count returns how many tests, subtests included, ended with a status.
func (p *Package) Count(s Status) int {
	n := 0
	for _, t := range p.tests {
		if t.Status == s {
			n++
		}
	}
	return n
}

// Results collects the packages of a run.
type Results struct {
	packages map[string]*Package
	builds   map[string]string // import path -> compiler's messages
}

// NewResults returns an empty collection.
func NewResults() *Results {
	return &Results{packages: map[string]*Package{}, builds: map[string]string{}}
}

// Packages returns them by name.
func (r *Results) Packages() []*Package {
	list := make([]*Package, 0, len(r.packages))
	for _, p := range r.packages {
		list = append(list, p)
	}
	sort.Slice(list, func(i, j int) bool { return list[i].Path < list[j].Path })
	return list
}

// Read takes a stream of test events until its end. Lines that are no events (go's own messages) are returned as text.
func (r *Results) Read(in io.Reader) (stray string, err error) {
	var other strings.Builder
	scan := bufio.NewScanner(in)
	scan.Buffer(make([]byte, 64<<10), 16<<20)
	for scan.Scan() {
		var e event
		if json.Unmarshal(scan.Bytes(), &e) != nil || e.Action == "" {
			other.Write(scan.Bytes())
			other.WriteByte('\n')
			continue
		}
		r.add(e)
	}
	if err := scan.Err(); err != nil {
		return other.String(), fmt.Errorf("reading test events: %w", err)
	}
	return other.String(), nil
}

func (r *Results) add(e event) {
	switch e.Action {
	case "build-output":
		r.builds[e.ImportPath] += e.Output
		return
	case "build-fail":
		return
	}
	p := r.pkg(e.Package)
	if e.Test == "" {
		r.addPackage(p, e)
		return
	}
	t := p.tests[e.Test]
	if t == nil {
		t = &Test{Name: e.Test, Status: Unfinished}
		p.tests[e.Test] = t
		p.order = append(p.order, e.Test)
	}
	switch e.Action {
	case "output":
		t.Output += e.Output
	case "pass", "fail", "skip":
		t.Status, t.Elapsed = Status(e.Action), seconds(e.Elapsed)
	}
}

func (r *Results) addPackage(p *Package, e event) {
	switch e.Action {
	case "output":
		p.Output += e.Output
	case "pass", "fail", "skip":
		p.Status, p.Elapsed = Status(e.Action), seconds(e.Elapsed)
		if e.FailedBuild != "" {
			p.Output += r.builds[e.FailedBuild]
		}
	}
}

func (r *Results) pkg(path string) *Package {
	p := r.packages[path]
	if p == nil {
		p = &Package{Path: path, Status: Unfinished, tests: map[string]*Test{}}
		r.packages[path] = p
	}
	return p
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// Finish sets how a package's process ended, where its output came without go's own last event.
func (r *Results) Finish(pkg string, status int, elapsed time.Duration) {
	p := r.pkg(pkg)
	p.Elapsed = elapsed
	if status == 0 && p.Status != Fail {
		p.Status = Pass
		return
	}
	p.Status = Fail
	p.Output += fmt.Sprintf("exit status %d\n", status)
}

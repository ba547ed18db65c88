package resolve_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"probetape/record/kits"
	"probetape/record/resolve"
	"probetape/record/spec"
	"probetape/schemas/expr"
)

// TestPlans holds the plans of programs, one file each: testdata/plans/NAME.probes gives NAME.plan.
func TestPlans(t *testing.T) {
	host := testHost(t, "linux-6.18")
	files, err := filepath.Glob("testdata/plans/*.probes")
	if err != nil || len(files) < 15 {
		t.Fatalf("%d programs, %v", len(files), err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".probes")
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			plan, diags := checkText(host, &expr.Source{Name: filepath.Base(file), Text: string(text)})
			var b strings.Builder
			if err := diags.Render(&b); err != nil {
				t.Fatal(err)
			}
			if plan != nil {
				b.WriteString(printPlan(plan))
				checkDense(t, plan)
			} else {
				t.Errorf("no plan: %v", diags)
			}
			golden(t, filepath.Join("testdata", "plans", name+".plan"), b.String())
		})
	}
}

// checkText parses and checks texts together.
func checkText(host resolve.Host, sources ...*expr.Source) (*resolve.Plan, expr.Diagnostics) {
	prog, diags := spec.Parse(sources...)
	plan, more := resolve.Check(prog, host, resolve.Options{})
	if diags.HasErrors() {
		plan = nil
	}
	return plan, append(diags, more...)
}

// golden compares with a file, or writes it.
func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s: (-want +got)\n%s", file, diff)
	}
}

// checkDense holds what the compiler relies on: ids without gaps, sites that know their table, and as many expressions as fields.
func checkDense(t *testing.T, p *resolve.Plan) {
	t.Helper()
	tables, sites := map[int]string{}, map[int]bool{}
	for _, s := range p.Statements {
		if name, ok := tables[int(s.Table.ID)]; ok && name != s.Table.Name {
			t.Errorf("table %d is %q and %q", s.Table.ID, name, s.Table.Name)
		}
		tables[int(s.Table.ID)] = s.Table.Name
		if len(s.Fields) != len(s.Table.Fields) || len(s.Sites) == 0 {
			t.Errorf("table %q: %d expressions for %d fields, %d sites", s.Table.Name, len(s.Fields), len(s.Table.Fields), len(s.Sites))
		}
		for _, site := range s.Sites {
			if sites[int(site.ID)] || site.Table != s.Table.ID || site.Kind != s.Kind {
				t.Errorf("site %d of table %d: again, or of another table (%d) or kind (%s)", site.ID, s.Table.ID, site.Table, site.Kind)
			}
			sites[int(site.ID)] = true
		}
		if s.Table.Call != s.Kind.Call() {
			t.Errorf("table %q: calls %v, kind %s", s.Table.Name, s.Table.Call, s.Kind)
		}
	}
	for i := range len(tables) {
		if _, ok := tables[i]; !ok {
			t.Errorf("there is no table %d of %d", i, len(tables))
		}
	}
	for i := range len(sites) {
		if !sites[i] {
			t.Errorf("there is no site %d of %d", i, len(sites))
		}
	}
}

// TestKits checks every kit, and all of them together.
func TestKits(t *testing.T) {
	host := testHost(t, "linux-6.18")
	var all []*expr.Source
	for _, k := range kits.All() {
		src := &expr.Source{Name: "kit " + k.Name, Text: k.Text, Kit: k.Name}
		all = append(all, src)
		plan, diags := checkText(host, src)
		if plan == nil {
			var b strings.Builder
			if err := diags.Render(&b); err != nil {
				t.Fatal(err)
			}
			t.Errorf("kit %s:\n%s", k.Name, &b)
			continue
		}
		for _, s := range plan.Statements {
			if s.Table.Kit != k.Name {
				t.Errorf("kit %s: table %s is of kit %q", k.Name, s.Table.Name, s.Table.Kit)
			}
		}
	}
	plan, diags := checkText(host, all...)
	if plan == nil {
		t.Fatalf("all kits together: %v", diags)
	}
	checkDense(t, plan)
}

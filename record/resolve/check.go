package resolve

import (
	"fmt"
	"slices"
	"strings"

	"probetape/record/spec"
	"probetape/schemas"
	"probetape/schemas/expr"
)

// Options are what a check depends on besides the program and the host.
type Options struct {
	MaxSites int // the most sites that a program may attach to; 0: DefaultMaxSites
}

// DefaultMaxSites keeps a careless glob (kprobe:*) from slowing the whole host down.
const DefaultMaxSites = 8192

// Check checks a parsed program against a host and makes the plan of it.
//
// Diagnostics hold every error of the program, at most expr.MaxDiagnostics of them, and notes; the plan is nil where one of them is an error
// (Diagnostics.Err). What the parser found wrong already is not reported again. An error of the host itself (a file that cannot be read)
// is a diagnostic where a probe needs what was in it.
//
// A statement is checked in these steps:
//
//  1. Its probes become sites of the host (find.go and one file for each family of kinds).
//  2. Filter and fields are checked at each site, since names mean something else at each (expression.go and its neighbours).
//  3. The fields' types are made one for all sites (unify.go).
//  4. Sites whose expressions came out equal become one statement of the plan; all of them share the table.
func Check(prog *spec.Program, host Host, opts Options) (*Plan, expr.Diagnostics) {
	if opts.MaxSites <= 0 {
		opts.MaxSites = DefaultMaxSites
	}
	c := &checker{host: host, opts: opts, plan: &Plan{}, tables: map[string]*spec.Statement{}}
	for _, s := range prog.Statements {
		c.statement(s)
	}
	if c.diags.HasErrors() {
		// What works is no subject while something does not.
		c.diags = slices.DeleteFunc(c.diags, func(d expr.Diagnostic) bool { return d.Severity == expr.SeverityNote })
	}
	diags := c.diags.Sorted()
	if c.spoiled || diags.HasErrors() {
		return nil, diags
	}
	return c.plan, diags
}

// checker holds what a check works with.
type checker struct {
	host   Host
	opts   Options
	plan   *Plan
	diags  expr.Diagnostics
	tables map[string]*spec.Statement // by table name
	sites  int                        // found so far

	names    typeNames
	nextSite schemas.SiteID
	spoiled  bool // something is missing in the plan, which the parser reported
}

// statement checks one statement and adds it to the plan.
func (c *checker) statement(s *spec.Statement) {
	name := c.tableName(s)
	f := &finder{host: c.host, wants: wants(s), names: &c.names}
	targets := c.targets(s, f)
	if len(targets) == 0 {
		// Nothing in its filter and fields has a meaning without a site. Why there is none was reported, here or by the parser.
		c.spoiled = true
		return
	}
	call := targets[0].site.Kind.Call() // all of one statement are calls, or none is: the parser saw to it
	fields := c.fieldNames(s, call)
	table := schemas.Table{ID: schemas.TableID(len(c.tables) - 1), Name: name, Call: call, Source: s.Text, Kit: s.Source.Kit}
	b := &body{checker: c, s: s, f: f, table: table, fields: fields}
	b.check(targets)
}

// wants looks through a statement's expressions for what they name of a site.
func wants(s *spec.Statement) wanted {
	var w wanted
	visit := func(e expr.Expr) bool {
		switch e := e.(type) {
		case *expr.Ident:
			_, numbered := argNumber(e.Name)
			w.numbered = w.numbered || numbered
			w.args = w.args || e.Name == "args"
			w.result = w.result || e.Name == "retval"
		}
		return true
	}
	if s.Filter != nil {
		expr.Walk(s.Filter, visit)
	}
	for _, f := range s.Fields {
		if f.Value != nil {
			expr.Walk(f.Value, visit)
		}
	}
	if len(s.Fields) == 0 && len(s.Probes) > 0 && len(s.Probes[0]) > 0 {
		w.result = w.result || s.Probes[0][0].Kind.Call() // the default field of calls
	}
	return w
}

// tableName returns the statement's table name: its own, or its first probe's. Every statement has one of its own.
func (c *checker) tableName(s *spec.Statement) string {
	if s.Name != nil {
		if c.tables[s.Name.Name] != nil {
			c.spoiled = true // which the parser reported
		}
		c.tables[s.Name.Name] = s
		return s.Name.Name
	}
	name := "table"
	if len(s.Probes) > 0 && len(s.Probes[0]) > 0 {
		name = probeName(s.Probes[0][0])
	}
	unique := name
	for n := 2; ; n++ {
		if _, taken := c.tables[unique]; !taken {
			c.tables[unique] = s
			return unique
		}
		unique = fmt.Sprintf("%s#%d", name, n)
	}
}

// probeName is a probe as it is written, with its kind's full name.
func probeName(p *spec.Probe) string {
	_, rest, ok := strings.Cut(p.Text, ":")
	if !ok || p.Kind == schemas.KindNone {
		return p.Text
	}
	return p.Kind.String() + ":" + rest
}

// targets finds the sites of a statement's probes.
func (c *checker) targets(s *spec.Statement, f *finder) []target {
	var all []target
	type key struct {
		kind                   schemas.ProbeKind
		category, module, name string
		address                uint64
		abi                    schemas.ABI
	}
	seen := map[key]int{}
	for where, choice := range s.Probes {
		found := c.choose(s, f, choice)
		for _, t := range found {
			t.where = where
			k := key{t.site.Kind, t.site.Category, t.site.Module, t.site.Name, t.site.Address, t.site.ABI}
			first, twice := seen[k]
			switch {
			case !twice:
				seen[k] = len(all)
				all = append(all, t)
			case !t.glob && !all[first].glob && all[first].where != where:
				c.diags = append(c.diags, s.Source.Error(t.probe, fmt.Sprintf("%s is in this statement twice", t.probe.Text)))
			}
		}
	}
	before := c.sites
	if c.sites += len(all); c.sites <= c.opts.MaxSites {
		return all
	}
	if before <= c.opts.MaxSites {
		c.diags = append(c.diags, s.Source.Error(s.Probes[0][0], fmt.Sprintf("the program stands for %d places to attach to, at most %d are allowed", c.sites, c.opts.MaxSites),
			"name fewer: a glob that is more exact, one module"))
	}
	return nil
}

// choose returns the sites of the first alternative that the host has.
func (c *checker) choose(s *spec.Statement, f *finder, choice spec.Choice) []target {
	var failed []*missing
	for i, p := range choice {
		if p.Bad || p.Kind == schemas.KindNone {
			c.spoiled = true
			return nil
		}
		f.notes, f.advice = nil, nil
		found, m := f.find(p)
		if m != nil && m.absent {
			failed = append(failed, m)
			continue
		}
		if m != nil {
			c.diags = append(c.diags, s.Source.Error(m.at, m.message, m.hints...))
			return nil
		}
		if i > 0 {
			c.plan.Notes = append(c.plan.Notes, fmt.Sprintf("took %s: %s", p.Text, failed[0].message))
		}
		c.plan.Notes = append(c.plan.Notes, f.notes...)
		for _, a := range f.advice {
			c.diags = append(c.diags, s.Source.Note(a.at, a.message, a.hint))
			c.plan.Notes = append(c.plan.Notes, p.Text+": "+a.message)
		}
		return found
	}
	switch len(failed) {
	case 0:
	case 1:
		c.diags = append(c.diags, s.Source.Error(failed[0].at, failed[0].message, failed[0].hints...))
	default:
		hints := make([]string, 0, len(failed))
		for i, m := range failed {
			hints = append(hints, choice[i].Text+": "+strings.Join(append([]string{m.message}, m.hints...), "; "))
		}
		at := expr.Span{From: choice[0].Pos(), To: choice[len(choice)-1].End()}
		c.diags = append(c.diags, s.Source.Error(at, "this host has none of these", hints...))
	}
	return nil
}

// Names that rows have already.
var (
	pointColumns = []string{"time", "cpu", "task", "site"}
	callColumns  = []string{"time", "cpu", "task", "site", "duration", "end", "errno"}
)

// baseColumns are the columns that each row has without being asked.
func baseColumns(call bool) []string {
	if call {
		return callColumns
	}
	return pointColumns
}

// fieldNames checks the fields' names and returns those fields that are to be kept.
func (c *checker) fieldNames(s *spec.Statement, call bool) []*spec.Field {
	var kept []*spec.Field
	seen := map[string]bool{}
	for _, f := range s.Fields {
		if f.Name == nil || f.Value == nil {
			c.spoiled = true
			continue
		}
		name := f.Name.Name
		if slices.Contains(baseColumns(call), name) {
			if id, ok := f.Value.(*expr.Ident); ok && id.Name == name {
				c.diags = append(c.diags, s.Source.Note(f, fmt.Sprintf("every row has %s already: the field is left out", name)))
				continue
			}
			c.diags = append(c.diags, s.Source.Error(f.Name, fmt.Sprintf("every row has a column %s of its own", name), "give the field another name"))
			continue
		}
		if seen[name] {
			c.diags = append(c.diags, s.Source.Error(f.Name, fmt.Sprintf("there are two fields called %q", name)))
			continue
		}
		seen[name] = true
		kept = append(kept, f)
	}
	return kept
}

package resolve

import (
	"fmt"
	"slices"

	"probetape/record/spec"
	"probetape/schemas"
	"probetape/schemas/expr"
)

// body checks a statement's filter and fields at all of its sites.
type body struct {
	*checker
	s      *spec.Statement
	f      *finder
	table  schemas.Table
	fields []*spec.Field // those that are kept
	names  map[string]bool

	returns bool // some of the sites have a return value
}

// result is what the expressions are at one site.
type result struct {
	*target
	filter, exit *Expr
	values       []value // parallel to the fields
	diags        expr.Diagnostics
	bad          bool // some of it could not be understood, by the parser or here
	never        bool // the filter is false here whatever happens
	zeroed       bool // the return value stands for one that is not there
	layout       bool // it depends on layouts that 32-bit programs do not have
}

func (b *body) check(targets []target) {
	b.names = map[string]bool{}
	for _, f := range b.s.Fields {
		if f.Name != nil {
			b.names[f.Name.Name] = !f.Short // that one is what its expression is called
		}
	}
	for i := range targets {
		t := &targets[i]
		if t.env = t.names(); kernelFunction(t.site.Kind) && t.env.slots >= 0 {
			t.site.ArgCount = t.env.slots
		}
	}
	raw := b.rawArguments(targets)
	b.returns = slices.ContainsFunc(targets, func(t target) bool { return t.env.noRet == nil })
	results := make([]result, len(targets))
	for i := range targets {
		results[i] = b.at(&targets[i], raw)
	}
	results = b.withoutForeign(results)
	if b.report(results) {
		return
	}
	if b.s.Bad || slices.ContainsFunc(results, func(r result) bool { return r.bad }) {
		b.spoiled = true // which the parser reported
		return
	}
	if results = b.filtered(results); len(results) == 0 {
		return
	}
	if len(b.s.Fields) == 0 {
		b.defaultField(results)
	}
	b.noteZeroes(results)
	b.unify(results)
}

// kernelFunction reports whether a kind's sites are functions of the kernel.
func kernelFunction(k schemas.ProbeKind) bool {
	switch k {
	case schemas.KindKprobe, schemas.KindKretprobe, schemas.KindFentry, schemas.KindFexit, schemas.KindKcall:
		return true
	}
	return false
}

// maxTypings is how many different groups of sites the types of numbered arguments may make. Beyond it (syscall:*) they are plain numbers:
// each group has programs of its own.
const maxTypings = 8

// rawArguments returns which numbered arguments are taken as plain numbers.
func (b *body) rawArguments(targets []target) uint32 {
	var used []int
	visit := func(e expr.Expr) bool {
		if id, ok := e.(*expr.Ident); ok {
			if n, ok := argNumber(id.Name); ok && n < 32 && !slices.Contains(used, n) {
				used = append(used, n)
			}
		}
		return true
	}
	if b.s.Filter != nil {
		expr.Walk(b.s.Filter, visit)
	}
	var mask uint32
	for _, f := range b.fields {
		expr.Walk(f.Value, visit)
	}
	if len(used) == 0 {
		return 0
	}
	for _, n := range used {
		mask |= 1 << n
	}
	typings := map[string]bool{}
	for i := range targets {
		e := targets[i].env
		key := ""
		for _, n := range used {
			if v, r := e.numberedArg(b.s, n, false); r == nil {
				key += fmt.Sprintf("%d %d %v %d;", v.t.class, v.t.size, v.t.signed, v.t.space)
			}
		}
		if typings[key] = true; len(typings) > maxTypings {
			return mask
		}
	}
	return 0
}

// at checks the expressions at one site.
func (b *body) at(t *target, raw uint32) result {
	r := result{target: t, values: make([]value, len(b.fields))}
	s := &scope{src: b.s.Source, env: t.env, raw: raw, fields: b.names, out: &r.diags, zero: t.glob && b.returns}
	var now, later []*Expr
	if b.s.Filter != nil {
		for _, part := range chain(b.s.Filter, expr.OpLand, nil) {
			switch x := s.condition(part); {
			case x == nil:
				r.bad = true
			case x.Op == OpConst:
				r.never = r.never || x.Int == 0
			case t.env.kind.Call() && needsReturn(x):
				later = append(later, x)
			default:
				now = append(now, x)
			}
		}
		r.filter, r.exit = joinConditions(b.s.Filter, OpLand, now), joinConditions(b.s.Filter, OpLand, later)
	}
	for i, f := range b.fields {
		r.values[i] = s.content(f.Value)
		r.bad = r.bad || r.values[i].bad()
	}
	r.layout, r.zeroed = s.layout, s.zeroed
	return r
}

// needsReturn reports whether an expression is known only when a call returns.
func needsReturn(x *Expr) bool {
	if x == nil {
		return false
	}
	return x.Op == OpRet || x.Op == OpDuration || needsReturn(x.X) || needsReturn(x.Y) || needsReturn(x.Z)
}

// withoutForeign leaves out 32-bit system calls where the statement is right for the 64-bit one of that name only, or for what else a glob
// matches: an argument that is not there or is of another type, a struct that is laid out differently.
func (b *body) withoutForeign(results []result) []result {
	type place struct {
		probe int
		name  string
	}
	right := map[place]bool{}
	named := map[place]bool{}
	for i := range results {
		if r := &results[i]; !r.env.i386 {
			named[place{r.where, r.site.Name}] = true
			if !r.diags.HasErrors() {
				right[place{r.where, r.site.Name}], right[place{r.where, ""}] = true, true
			}
		}
	}
	var left []string
	kept := results[:0:0]
	for _, r := range results {
		at := place{r.where, r.site.Name}
		if r.env.i386 && !named[at] && r.glob {
			at.name = ""
		}
		if r.env.i386 && r.probe.Group.Text == "" && (r.layout || r.diags.HasErrors()) && right[at] {
			left = append(left, r.site.Name)
			continue
		}
		kept = append(kept, r)
	}
	if len(left) > 0 {
		b.plan.Notes = append(b.plan.Notes, fmt.Sprintf("%s: left out %s of 32-bit programs, whose arguments are not those of the statement", b.table.Name, joined(left, "system call")))
	}
	return kept
}

// report takes the sites' diagnostics together, one for each place of the text, and reports whether there are errors.
func (b *body) report(results []result) bool {
	type at struct {
		line, col int
		severity  expr.Severity
	}
	count := map[at]int{}
	failed := false
	for i := range results {
		seen := map[at]bool{}
		for _, d := range results[i].diags {
			if k := (at{d.Line, d.Col, d.Severity}); !seen[k] {
				seen[k] = true
				count[k]++
			}
		}
	}
	told := map[at]bool{}
	for i := range results {
		for _, d := range results[i].diags {
			k := at{d.Line, d.Col, d.Severity}
			if told[k] {
				continue
			}
			told[k] = true
			if d.Severity == expr.SeverityError {
				failed = true
				if n := count[k]; n < len(results) {
					d.Hints = append(slices.Clone(d.Hints), b.exceptions(results, n, func(r *result) bool {
						return slices.ContainsFunc(r.diags, func(o expr.Diagnostic) bool { return at{o.Line, o.Col, o.Severity} == k })
					}))
				}
			}
			b.diags = append(b.diags, d)
		}
	}
	return failed
}

// exceptions says at how many sites an error is, and names one where it is not.
func (b *body) exceptions(results []result, n int, has func(*result) bool) string {
	for i := range results {
		if !has(&results[i]) {
			return fmt.Sprintf("so it is at %d of the statement's %d sites, and not at %s", n, len(results), results[i].env.what)
		}
	}
	return fmt.Sprintf("so it is at %d of the statement's %d sites", n, len(results))
}

// filtered leaves out the sites whose filter is false whatever happens there (func == "vfs_read").
func (b *body) filtered(results []result) []result {
	kept := results[:0:0]
	for _, r := range results {
		if !r.never {
			kept = append(kept, r)
		}
	}
	if len(kept) == 0 {
		b.diags = append(b.diags, b.s.Source.Error(b.s.Filter, "the filter is false at every site: nothing would be recorded"))
	}
	return kept
}

// defaultField gives a call statement without fields its return value, where the types of some of its functions say that they have one. Points
// have no fields of their own accord: when and where they happened is in every row.
func (b *body) defaultField(results []result) {
	if !b.table.Call || !slices.ContainsFunc(results, func(r result) bool { return r.env.ret != nil && r.env.noRet == nil }) {
		return
	}
	var untyped []string
	for i := range results {
		if e := results[i].env; e.ret == nil && e.noRet == nil {
			untyped = append(untyped, e.what)
		}
	}
	if len(untyped) > 0 {
		b.plan.Notes = append(b.plan.Notes, fmt.Sprintf("%s: retval is the plain register for %s whose types are not known", b.table.Name, joined(untyped, "function")))
	}
	at := expr.Span{From: b.s.Pos(), To: b.s.End()}
	b.fields = []*spec.Field{{Span: at, Name: &expr.Ident{Span: at, Name: "retval"}}}
	for i := range results {
		v, r := results[i].env.result(at)
		if r != nil {
			v, results[i].zeroed = zeroResult(at), true
		}
		results[i].values = []value{v}
	}
}

// noteZeroes tells of which functions the return value is none.
func (b *body) noteZeroes(results []result) {
	var void []string
	for i := range results {
		if results[i].zeroed {
			void = append(void, results[i].env.what)
		}
	}
	if len(void) > 0 {
		b.plan.Notes = append(b.plan.Notes, fmt.Sprintf("%s: retval is 0 for %s that return nothing", b.table.Name, joined(void, "function")))
	}
}

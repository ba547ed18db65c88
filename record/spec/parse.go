package spec

import (
	"fmt"
	"strings"

	"probetape/schemas"
	"probetape/schemas/expr"
)

// Parse parses probe texts into one program. What it could not understand is in the diagnostics, sorted, and marked as bad in
// the program, so that the rest can still be checked; the program is never nil. Diagnostics may be notes only: see their Err.
func Parse(sources ...*expr.Source) (*Program, expr.Diagnostics) {
	prog := &Program{Sources: sources}
	var all expr.Diagnostics
	names := make(map[string]*Statement)
	for _, src := range sources {
		p := &parser{Parser: expr.NewParser(src, expr.ProbeLimits()), prog: prog, names: names}
		p.program()
		all = append(all, p.Diagnostics()...)
	}
	return prog, all.Sorted()
}

// parser parses one source into a program that may hold statements of others already.
type parser struct {
	*expr.Parser
	prog  *Program
	names map[string]*Statement // tables that were given a name
}

// program parses statements to the end of the source.
func (p *parser) program() {
	before := len(p.prog.Statements)
	for {
		for p.Take(";") {
		}
		if p.Token.Kind == expr.TokenEnd {
			break
		}
		if len(p.prog.Statements) == MaxStatements {
			p.Error(p.Token, fmt.Sprintf("a program has at most %d statements", MaxStatements), "record fewer tables at once: one statement takes several probes, a, b, c")
			return
		}
		if st := p.statement(); st != nil {
			p.repeated(st)
			p.prog.Statements = append(p.prog.Statements, st)
		}
	}
	if len(p.prog.Statements) == before && p.Errors() == 0 {
		p.Error(p.Token, "there is no probe in the text", `a probe is written kind:name, such as syscall:openat or tracepoint:sched:sched_switch`)
	}
}

// statement parses [name =] probes [/filter/] [{ fields }]. It returns nil where not even a probe could be made out.
func (p *parser) statement() *Statement {
	st := &Statement{Source: p.Source}
	st.From = p.Token.From
	if p.notStatement() {
		p.recover()
		return nil
	}
	if next := p.Peek(); p.Token.Kind == expr.TokenName && next.Is("=") {
		if p.straceQualifier() {
			p.recover()
			return nil
		}
		st.Name = &expr.Ident{Span: p.Token.Span, Name: p.Token.Text}
		p.Next()
		p.Next()
	}
	if !p.probes(st) {
		p.recover()
		if len(st.Probes) == 0 {
			return nil
		}
		st.Bad = true
		p.finish(st)
		return st
	}
	p.name(st)
	ok := true
	if p.Token.Is("/") {
		ok = p.filter(st)
	} else {
		ok = p.bareFilter(st)
	}
	if ok && p.Token.Is("{") {
		ok = p.block(st)
	}
	if ok && p.Token.Is("/") {
		ok = p.lateFilter(st)
	}
	if ok {
		ok = p.statementEnd()
	}
	if !ok {
		st.Bad = true
		p.recover()
	}
	p.finish(st)
	return st
}

// finish sets the statement's extent: up to the last thing before the next token.
func (p *parser) finish(st *Statement) {
	text := strings.TrimRight(withoutComments(p.Source.Text[st.From.Offset:p.Token.From.Offset]), " \t\r\n;")
	span := p.Source.Span(st.From, len(text))
	st.To, st.Text = span.To, text
	for _, c := range st.Probes {
		for _, pr := range c {
			st.Bad = st.Bad || pr.Bad
		}
	}
}

// withoutComments cuts comment lines and blank lines off the end of text.
func withoutComments(text string) string {
	for {
		text = strings.TrimRight(text, " \t\r\n")
		start := strings.LastIndexByte(text, '\n') + 1
		if !strings.HasPrefix(strings.TrimLeft(text[start:], " \t"), "#") {
			return text
		}
		text = text[:start]
	}
}

// repeated reports a statement without a name that is there already, word for word: it would record everything twice.
func (p *parser) repeated(st *Statement) {
	if st.Name != nil || st.Bad {
		return
	}
	for _, other := range p.prog.Statements {
		if other.Name == nil && other.Text == st.Text {
			p.Error(st, fmt.Sprintf("this statement is there already, in %s:%d", other.Source.Name, other.From.Line),
				"leave one of them out; tables of the same probe are told apart by their names: name = "+st.Probes[0][0].Text)
			st.Bad = true
			return
		}
	}
}

// name checks the name that a table was given.
func (p *parser) name(st *Statement) {
	if st.Name == nil {
		return
	}
	if len(st.Name.Name) > MaxName {
		p.Error(st.Name, fmt.Sprintf("a name has at most %d bytes", MaxName))
		return
	}
	if other, ok := p.names[st.Name.Name]; ok {
		p.Error(st.Name, fmt.Sprintf("the name %s is taken by the statement in %s:%d", st.Name.Name, other.Source.Name, other.From.Line),
			"a table has one statement; several probes go into one as a, b, c")
		return
	}
	p.names[st.Name.Name] = st
}

// probes parses the list of probes. It reports whether what follows them can be made sense of.
func (p *parser) probes(st *Statement) bool {
	written := 0
	for {
		var choice Choice
		for {
			probe, ok := p.probe()
			if probe != nil {
				choice = append(choice, probe)
				written++
			}
			if !ok {
				if len(choice) > 0 {
					st.Probes = append(st.Probes, choice)
				}
				return false
			}
			if !p.Take("||") {
				break
			}
		}
		st.Probes = append(st.Probes, choice)
		if !p.Take(",") {
			break
		}
	}
	if written > MaxProbes {
		p.Error(st.Probes[0][0], fmt.Sprintf("a statement names at most %d probes, this one has %d", MaxProbes, written),
			"a glob names many: syscall:open*")
	}
	p.sameShape(st)
	return true
}

// sameShape checks that a statement's probes make rows of one table: either points or calls.
func (p *parser) sameShape(st *Statement) {
	var first *Probe
	for _, choice := range st.Probes {
		for _, pr := range choice {
			switch {
			case pr.Kind == schemas.KindNone:
			case first == nil:
				first = pr
			case pr.Kind.Call() != first.Kind.Call():
				call, point := pr, first
				if first.Kind.Call() {
					call, point = first, pr
				}
				p.Error(pr, fmt.Sprintf("%s records calls and %s single events: they cannot share a table", call.Kind, point.Kind),
					"make two statements of them")
				pr.Bad = true
				return
			}
		}
	}
}

// filter parses /expression/.
func (p *parser) filter(st *Statement) bool {
	open := p.Token
	p.Next()
	if p.Token.Is("/") {
		p.Error(expr.Span{From: open.From, To: p.Token.To}, "the filter is empty", "leave the slashes out, or write a condition: /pid == 42/")
		p.Next()
		return true
	}
	before := p.Errors()
	e := p.FilterExpr()
	if expr.HasBad(e) {
		p.Skip(func(t expr.Token, depth int) bool {
			return p.ClosesFilter() || t.Is("{") || p.startsStatement(t)
		})
	}
	if !p.Take("/") && p.Errors() == before {
		p.unclosedFilter(open, e)
	}
	if st.Filter == nil {
		st.Filter = e
	}
	if p.Token.Is("/") {
		p.Error(p.Token, "a statement has one filter", "join conditions with &&: /pid == 42 && cpu == 0/")
		return false
	}
	return true
}

// unclosedFilter reports a filter that goes on into something else.
func (p *parser) unclosedFilter(open expr.Token, e expr.Expr) {
	switch t := p.Token; {
	case t.Kind == expr.TokenEnd || t.Is("{") || t.NewLine:
		p.Error(open, "this filter has no closing /", fmt.Sprintf("a filter stands between slashes: /%s/", expr.Format(e)))
	case t.Kind == expr.TokenBad:
		p.Error(t, p.Describe(t)+" is not expected in a filter")
	case t.Is(")") || t.Is("]"):
		p.Error(t, fmt.Sprintf("this %s closes nothing", t.Text))
	case t.Is(","):
		p.Error(t, "a filter is one condition", "join several with && or ||")
	case t.Kind == expr.TokenSymbol:
		p.Error(t, p.Describe(t)+" is not expected in a filter")
	default:
		p.Error(t, "an operator is missing before "+p.Describe(t))
	}
	p.Skip(func(t expr.Token, depth int) bool {
		return p.ClosesFilter() || t.Is("{") || p.startsStatement(t)
	})
	p.Take("/")
}

// lateFilter handles a filter behind the fields.
func (p *parser) lateFilter(st *Statement) bool {
	p.Error(p.Token, "a filter stands before the fields", "kind:name /filter/ { fields }")
	return p.filter(st)
}

// statementEnd checks what follows a statement: the next one.
func (p *parser) statementEnd() bool {
	t := p.Token
	switch {
	case t.Kind == expr.TokenEnd, t.Kind == expr.TokenName, t.Is(";"), t.Is("@"), t.Is("$"), t.Kind == expr.TokenBad, t.NewLine:
		return true
	case t.Is("}"):
		p.Error(t, "this } closes nothing")
		p.Next()
		return true
	case t.Is("{"):
		p.Error(t, "a statement has one block of fields", "separate them with commas in one: { a, b }")
		return false
	case t.Is(",") || t.Is("||") || t.Is("|"):
		p.Error(t, "probes stand before the filter and the fields", "kind:name, kind:name /filter/ { fields }")
		return false
	}
	p.Error(t, p.Describe(t)+" is not expected here", "a statement is written [name =] kind:name /filter/ { fields }")
	return false
}

// recover goes on to where the next statement seems to begin.
func (p *parser) recover() {
	blocks := 0
	p.Skip(func(t expr.Token, depth int) bool {
		if t.Is("}") {
			blocks++
		}
		return p.startsStatement(t) || depth == 0 && (t.Is(";") || blocks > 0 && !t.Is("}") && !t.Is("/"))
	})
}

// startsStatement reports whether a statement begins with t: at the beginning of a line, kind: or name = kind:. Neither can be a field.
func (p *parser) startsStatement(t expr.Token) bool {
	if !t.NewLine || t.Kind != expr.TokenName {
		return false
	}
	rest := p.Source.Text[t.From.Offset:]
	word := name(rest)
	after := strings.TrimLeft(rest[len(word):], " \t")
	if strings.HasPrefix(after, "=") && !strings.HasPrefix(after, "==") {
		rest = strings.TrimLeft(after[1:], " \t")
		word = name(rest)
	}
	after = rest[len(word):]
	_, ok := schemas.ParseKind(word)
	return ok && len(after) > 1 && after[0] == ':' && strings.IndexByte(" \t\r\n:", after[1]) < 0
}

// name returns the word that text begins with.
func name(text string) string {
	n := 0
	for n < len(text) && (text[n] == '_' || text[n] >= 'a' && text[n] <= 'z' || text[n] >= 'A' && text[n] <= 'Z' || n > 0 && text[n] >= '0' && text[n] <= '9') {
		n++
	}
	return text[:n]
}

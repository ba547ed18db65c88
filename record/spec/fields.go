package spec

import (
	"fmt"
	"strings"

	"probetape/schemas/expr"
)

// block parses { field, field }: name = expression, or an expression that names itself. It reports whether what follows it can be trusted.
func (p *parser) block(st *Statement) bool {
	open := p.Token
	p.Next()
	for !p.Token.Is("}") {
		if p.Token.Kind == expr.TokenEnd {
			p.Error(open, "this { has no }")
			return false
		}
		if len(st.Fields) == MaxFields {
			p.Error(p.Token, fmt.Sprintf("a statement captures at most %d fields", MaxFields), "a second statement on the same probe captures more")
			p.endBlock()
			return true
		}
		if done, ok := p.notField(); done {
			st.Bad = true
			if !ok {
				return false
			}
			p.endBlock()
			return true
		}
		f := p.field()
		if f == nil {
			st.Bad = true
			p.endField()
		} else {
			p.keep(st, f)
		}
		switch {
		case p.Take(","), p.Token.Is("}"):
		case p.Take(";"):
			p.Error(p.before(1), "fields are separated by commas", "{ a = x, b = y }")
			st.Bad = true
		case p.Token.Kind == expr.TokenEnd, p.startsStatement(p.Token):
			p.Error(open, "this { has no }")
			return false
		case f != nil:
			p.Error(p.Token, fmt.Sprintf("a comma is missing before %s", p.Describe(p.Token)), "{ a = x, b = y }")
			st.Bad = true
			if p.Token.Kind != expr.TokenName {
				p.endField()
				p.Take(",")
			}
		}
	}
	p.Next()
	return true
}

// before is the span of the n bytes before the next token's predecessor: the token that was taken last, where it has n bytes.
func (p *parser) before(n int) expr.Span {
	text := p.Source.Text[:p.Token.From.Offset]
	end := len(strings.TrimRight(text, " \t\r\n"))
	return p.Source.Span(p.Source.At(end-n), n)
}

// keep adds a field.
func (p *parser) keep(st *Statement, f *Field) {
	if len(f.Name.Name) > MaxName {
		p.Error(f.Name, fmt.Sprintf("a name has at most %d bytes", MaxName))
		st.Bad = true
		return
	}
	st.Fields = append(st.Fields, f)
}

// field parses one field; nil with an error.
func (p *parser) field() *Field {
	f := &Field{}
	f.From = p.Token.From
	if next := p.Peek(); p.Token.Kind == expr.TokenName && next.Is("=") {
		f.Name = &expr.Ident{Span: p.Token.Span, Name: p.Token.Text}
		p.Next()
		p.Next()
	}
	before := p.Errors()
	f.Value = p.Expr()
	if expr.HasBad(f.Value) || p.Errors() > before && p.Token.Kind == expr.TokenBad {
		return nil
	}
	f.To = f.Value.End()
	if f.Name == nil {
		f.Short = true
		if f.Name = lastPart(f.Value); f.Name == nil {
			p.Error(f.Value, "this field has no name", "name = "+expr.Format(f.Value))
			return nil
		}
	}
	return f
}

// lastPart is what names a value: the last name in it. str(args.filename) is named filename.
func lastPart(e expr.Expr) *expr.Ident {
	switch e := e.(type) {
	case *expr.Ident:
		return e
	case *expr.Member:
		return e.Name
	case *expr.Cast:
		return lastPart(e.X)
	case *expr.Index:
		return lastPart(e.X)
	case *expr.Unary:
		return lastPart(e.X)
	case *expr.Call:
		if len(e.Args) > 0 && (e.Fun.Name == "str" || e.Fun.Name == "buf") {
			return lastPart(e.Args[0])
		}
		return e.Fun
	}
	return nil
}

// endField goes on to the end of a field that could not be understood.
func (p *parser) endField() {
	p.Skip(func(t expr.Token, depth int) bool {
		return depth == 0 && (t.Is(",") || t.Is("}") || t.Is(";")) || p.startsStatement(t)
	})
}

// endBlock goes on behind the block's end.
func (p *parser) endBlock() {
	p.Skip(func(t expr.Token, depth int) bool { return depth == 0 && t.Is("}") || p.startsStatement(t) })
	p.Take("}")
}

// bareFilter handles what follows the probes where it is neither a filter, nor fields, nor another statement: a condition without its slashes.
func (p *parser) bareFilter(st *Statement) bool {
	t := p.Token
	if t.Kind == expr.TokenEnd || t.NewLine || t.Is("{") || t.Is(";") || t.Is("}") || t.Kind == expr.TokenBad {
		return true
	}
	if t.Kind != expr.TokenName && !t.Is("(") && !t.Is("!") && !t.Is("&&") {
		return true // statementEnd says what is wrong with it
	}
	from := t.From
	if t.IsName("if") || t.IsName("where") || t.IsName("when") || t.IsName("filter") || t.Is("&&") {
		p.Next()
	}
	if next := p.Peek(); p.Token.Kind == expr.TokenName && next.Is(":") {
		p.Error(t, "a comma is missing between two probes", "kind:name, kind:name")
		return false
	}
	e := p.Expr()
	if expr.HasBad(e) {
		return false
	}
	p.Error(expr.Span{From: from, To: e.End()}, "a filter stands between slashes", fmt.Sprintf("/%s/", expr.Format(e)))
	st.Filter, st.Bad = e, true
	return true
}

package expr

import (
	"fmt"
	"strings"
)

// MaxSource is the longest text that is parsed, in bytes.
const MaxSource = 256 << 10

// Limits bound what is accepted.
type Limits struct {
	Nesting int // parentheses, arguments, indexes, casts, prefix operators and conditions inside one another
	Nodes   int // operands and operators of one expression
	Text    int // bytes of a text or glob
}

// ProbeLimits are the limits of what runs in the kernel: it becomes instructions that the verifier must accept.
func ProbeLimits() Limits { return Limits{Nesting: 16, Nodes: 256, Text: 64} }

// QueryLimits are the limits of triggers and queries.
func QueryLimits() Limits { return Limits{Nesting: 64, Nodes: 4096, Text: 4096} }

// Parse parses a text that is one expression: a trigger, a query. With errors, the expression is Bad or holds one.
func Parse(src *Source) (Expr, Diagnostics) {
	p := NewParser(src, QueryLimits())
	if p.Token.Kind == TokenEnd && len(p.reports.list) == 0 {
		p.Error(p.Token, "there is no expression")
		return &Bad{p.Token.Span}, p.Diagnostics()
	}
	e := p.Expr()
	if p.Token.Kind != TokenEnd && !HasBad(e) {
		p.unexpectedAfter()
		e = &Bad{Span{e.Pos(), p.Token.To}}
	}
	return e, p.Diagnostics()
}

// Parser reads a source token by token: expressions by itself, and what stands around them for package spec, which takes the text
// between tokens where the language has words with other rules (probes, with their paths).
type Parser struct {
	Token  Token // the next token
	Source *Source

	lex     lexer
	limits  Limits
	reports *reports

	// Of the expression that is being parsed:
	nesting int
	nodes   int
	failed  bool             // it has an error: whatever follows from it is not reported
	slash   bool             // a / here may be the end of the filter
	grouped map[*Binary]bool // operations in parentheses
}

// NewParser begins to read src. A text beyond MaxSource is reported and not read.
func NewParser(src *Source, limits Limits) *Parser {
	out := &reports{commentEnd: strings.LastIndex(src.Text, "*/")}
	p := &Parser{Source: src, limits: limits, reports: out}
	p.lex = lexer{src: src, pos: Pos{Offset: 0, Line: 1, Col: 1}, out: out}
	if len(src.Text) > MaxSource {
		p.Error(Span{p.lex.pos, p.lex.pos}, fmt.Sprintf("the text is longer than %d KiB", MaxSource>>10))
		p.lex.src = &Source{Name: src.Name}
	}
	p.Next()
	return p
}

// Diagnostics returns what was reported so far, in order.
func (p *Parser) Diagnostics() Diagnostics { return p.reports.list.Sorted() }

// Error reports an error.
func (p *Parser) Error(at Node, message string, hints ...string) {
	p.reports.add(p.Source.Error(at, message, hints...))
}

// Note reports a note.
func (p *Parser) Note(at Node, message string, hints ...string) {
	p.reports.add(p.Source.Note(at, message, hints...))
}

// Errors is how many diagnostics there are so far, to see whether a step added one.
func (p *Parser) Errors() int { return len(p.reports.list) }

// Next moves to the next token.
func (p *Parser) Next() { p.Token = p.lex.next() }

// Peek returns the token after the next one. Nothing is reported about it yet.
func (p *Parser) Peek() Token {
	ahead := p.lex
	ahead.quiet = true
	return ahead.next()
}

// Seek goes on with the token at pos, which is a place that the caller computed within this source.
func (p *Parser) Seek(pos Pos) {
	p.lex.pos = pos
	p.Next()
}

// Take moves over the symbol if it is next.
func (p *Parser) Take(symbol string) bool {
	if !p.Token.Is(symbol) {
		return false
	}
	p.Next()
	return true
}

// Expr parses an expression, up to the first token that does not belong to it. With an error it is Bad.
func (p *Parser) Expr() Expr { return p.whole(false) }

// FilterExpr parses the expression of a filter whose opening slash was read, up to its closing one.
//
// A slash divides or closes. It closes where no operand follows, and where a statement begins behind it (name = ..., kind:...),
// neither of which can be within an expression. In parentheses, in brackets and between ? and : it divides.
func (p *Parser) FilterExpr() Expr { return p.whole(true) }

func (p *Parser) whole(filter bool) Expr {
	p.nesting, p.nodes, p.failed, p.slash = 0, 0, false, filter
	from := p.Token.From
	e := p.conditional()
	p.slash = false
	if p.failed {
		return &Bad{Span{from, p.Token.From}}
	}
	return e
}

// ClosesFilter reports whether the next token is a slash that ends a filter.
func (p *Parser) ClosesFilter() bool {
	if !p.Token.Is("/") {
		return false
	}
	ahead := p.lex
	ahead.quiet = true
	t := ahead.next()
	switch t.Kind {
	case TokenEnd:
		return true
	case TokenSymbol:
		switch t.Text {
		case "(", "!", "!~", "-", "~", "*", "&":
			return false
		}
		return true
	case TokenName:
		after := ahead.next()
		return after.Is("=") || after.Is(":") || after.Is("{")
	}
	return false
}

// fail reports what ends the expression: nothing else is said about it.
func (p *Parser) fail(at Node, message string, hints ...string) Expr {
	if !p.failed {
		// A token that was reported already, by the lexer, is enough.
		if p.Token.Kind != TokenBad {
			p.Error(at, message, hints...)
		}
		p.failed = true
	}
	return &Bad{Span{at.Pos(), at.End()}}
}

// enter begins something nested; leave ends it.
func (p *Parser) enter() bool {
	p.nesting++
	if p.nesting > p.limits.Nesting {
		p.fail(p.Token, fmt.Sprintf("the expression is nested deeper than %d", p.limits.Nesting))
		return false
	}
	return true
}

func (p *Parser) leave() { p.nesting-- }

// count counts a node.
func (p *Parser) count() {
	p.nodes++
	if p.nodes > p.limits.Nodes {
		p.fail(p.Token, fmt.Sprintf("the expression has more than %d operands and operators", p.limits.Nodes))
	}
}

// conditional parses x, or x ? y : z.
func (p *Parser) conditional() Expr {
	cond := p.binary(precLor)
	if p.failed || !p.Token.Is("?") {
		return cond
	}
	question := p.Token
	if !p.enter() {
		return cond
	}
	defer p.leave()
	p.count()
	p.Next()
	x := p.inside(p.conditional)
	if p.failed {
		return cond
	}
	if !p.Token.Is(":") {
		return p.fail(question, "this ? has no :", "a condition is written c ? x : y")
	}
	p.Next()
	y := p.conditional()
	return &Cond{Span{cond.Pos(), y.End()}, cond, x, y}
}

// inside parses something that has an end of its own, so that a slash in it divides.
func (p *Parser) inside(parse func() Expr) Expr {
	slash := p.slash
	p.slash = false
	e := parse()
	p.slash = slash
	return e
}

// binary parses operands joined by operators that bind at least as close as least.
func (p *Parser) binary(least int) Expr {
	x := p.unary()
	for !p.failed {
		op := p.operator()
		prec := op.precedence()
		if prec < least || prec == precLowest {
			return x
		}
		at := p.Token.Span
		p.count()
		p.Next()
		y := p.binary(prec + 1)
		if p.failed {
			return x
		}
		p.doubtful(op, at, x, y)
		x = &Binary{Span{x.Pos(), y.End()}, op, at, x, y}
	}
	return x
}

// operator returns the binary operator that is next, OpNone where none is. What other languages write for one is reported, and taken
// for what it means.
func (p *Parser) operator() Op {
	t := &p.Token
	switch t.Kind {
	case TokenSymbol:
		if t.Text == "/" && p.slash && p.ClosesFilter() {
			return OpNone
		}
		for op := OpMul; op < opEnd; op++ {
			if opText[op] == t.Text {
				return op
			}
		}
		if t.Text == "=" {
			return p.assignment()
		}
	case TokenName:
		return p.wordOperator()
	}
	return OpNone
}

// assignment handles a = where an operator is expected.
func (p *Parser) assignment() Op {
	at := p.Token.Span
	if next := p.Peek(); next.Is("~") && next.From == at.To {
		p.Next()
		p.Error(Span{at.From, next.To}, "=~ is not an operator", `a text is matched against a glob: x ~ "a*"`)
		return OpMatch
	}
	p.Error(at, "= does not compare", "write ==")
	return OpEq
}

// wordOperators are words that other languages have for operators.
var wordOperators = map[string]Op{
	"and": OpLand, "AND": OpLand, "or": OpLor, "OR": OpLor, "eq": OpEq, "ne": OpNe, "lt": OpLt, "le": OpLe, "gt": OpGt, "ge": OpGe,
	"is": OpEq, "like": OpMatch, "LIKE": OpMatch, "glob": OpMatch, "matches": OpMatch, "contains": OpMatch, "startswith": OpMatch,
}

// wordOperator handles a word behind an operand.
func (p *Parser) wordOperator() Op {
	op, ok := wordOperators[p.Token.Text]
	if !ok {
		return OpNone
	}
	switch next := p.Peek(); next.Kind {
	case TokenName, TokenInt, TokenString:
	case TokenSymbol:
		if !strings.Contains("( ! !~ - ~ * &", next.Text) {
			return OpNone
		}
	default:
		return OpNone
	}
	hint := "write " + op.String()
	if op == OpMatch {
		hint = `a text is matched against a glob: x ~ "a*", x ~ "*a*"`
	}
	p.Error(p.Token, p.Token.Text+" is not an operator", hint)
	return op
}

// doubtful notes operands that C binds otherwise than most people read it.
func (p *Parser) doubtful(op Op, at Span, x, y Expr) {
	left, right := p.bareComparison(x), p.bareComparison(y)
	if left == nil && right == nil {
		return
	}
	switch {
	case op.Compare():
		p.Note(at, fmt.Sprintf("%s compares the result of a comparison, which is 0 or 1, as in C", op),
			"two comparisons are joined by &&: a < b && b < c")
	case op == OpAnd || op == OpOr || op == OpXor:
		inner, meant := right, &Binary{}
		if right != nil {
			meant = &Binary{Op: right.Op, X: &Binary{Op: op, X: x, Y: right.X}, Y: right.Y}
		} else {
			inner = left
			meant = &Binary{Op: left.Op, X: left.X, Y: &Binary{Op: op, X: left.Y, Y: y}}
		}
		p.Note(inner.OpAt, fmt.Sprintf("%s binds closer than %s, as in C", inner.Op, op), "perhaps you mean "+Format(meant))
	}
}

// bareComparison returns e where it is a comparison without parentheses around it, nil where not.
func (p *Parser) bareComparison(e Expr) *Binary {
	if b, ok := e.(*Binary); ok && b.Op.Compare() && !p.grouped[b] {
		return b
	}
	return nil
}

// unary parses operators before an operand.
func (p *Parser) unary() Expr {
	t := p.Token
	op := OpNone
	if t.Kind == TokenSymbol {
		switch t.Text {
		case "!":
			op = OpNot
		case "-":
			op = OpNeg
		case "~":
			op = OpCompl
		case "*":
			op = OpDeref
		case "&":
			op = OpAddr
		case "!~": // two operators here
			middle := t.To
			middle.Offset--
			middle.Col--
			p.lex.pos = middle
			op = OpNot
		case "(":
			if typ, ok := p.castType(); ok {
				return p.cast(t, typ)
			}
		}
	}
	if op == OpNone && t.IsName("not") && beginsOperand(p.Peek()) {
		p.Error(t, "not is not an operator", "write !")
		op = OpNot
	}
	if op == OpNone {
		return p.postfix()
	}
	if !p.enter() {
		return &Bad{t.Span}
	}
	defer p.leave()
	p.count()
	p.Next()
	x := p.unary()
	return &Unary{Span{t.From, x.End()}, op, x}
}

// beginsOperand reports whether t can be the first token of an operand, and cannot continue one.
func beginsOperand(t Token) bool {
	switch t.Kind {
	case TokenName, TokenInt, TokenString:
		return true
	case TokenSymbol:
		return t.Text == "!" || t.Text == "("
	}
	return false
}

// postfix parses a primary expression and what follows it: x.name, x->name, x[i].
func (p *Parser) postfix() Expr {
	x := p.primary()
	for !p.failed && p.Token.Kind == TokenSymbol {
		t := p.Token
		switch t.Text {
		case ".", "->":
			p.count()
			p.Next()
			name := p.Token
			if name.Kind != TokenName {
				if t.Text == "." && name.Is("*") {
					return p.fail(name, "a field is one value", "name each of them: "+Format(x)+".NAME")
				}
				return p.fail(name, fmt.Sprintf("a member's name is missing behind %s", t.Text))
			}
			p.Next()
			if p.Token.Is("(") && p.Token.From == name.To {
				return p.fail(name, "functions are called by their name alone", fmt.Sprintf("%s(%s)", name.Text, Format(x)))
			}
			x = &Member{Span{x.Pos(), name.To}, x, t.Text == "->", &Ident{name.Span, name.Text}}
		case "[":
			if !p.enter() {
				return x
			}
			p.count()
			p.Next()
			i := p.inside(p.conditional)
			p.leave()
			if p.failed {
				return x
			}
			end := p.Token.To
			if !p.close("]", t) {
				return x
			}
			x = &Index{Span{x.Pos(), end}, x, i}
		default:
			return x
		}
	}
	return x
}

// close moves over a closing bracket, or reports that the one that opened lacks it.
func (p *Parser) close(symbol string, open Token) bool {
	if p.Take(symbol) {
		return true
	}
	if p.Token.Kind == TokenEnd || p.Token.Is("{") || p.Token.Is("}") || p.Token.Is(")") || p.Token.Is("]") || p.Token.Is("/") {
		p.fail(open, fmt.Sprintf("this %s has no %s", open.Text, symbol))
		return false
	}
	p.fail(p.Token, fmt.Sprintf("%s is expected before %s", symbol, p.Describe(p.Token)))
	return false
}

// primary parses names, numbers, texts, calls and parentheses.
func (p *Parser) primary() Expr {
	p.count()
	if p.failed {
		return &Bad{p.Token.Span}
	}
	t := p.Token
	switch t.Kind {
	case TokenName:
		switch t.Text {
		case "struct", "union", "enum":
			return p.fail(t, "a type stands in parentheses before a value", "(struct sock *)arg0")
		}
		p.Next()
		name := &Ident{t.Span, t.Text}
		if p.Token.Is("(") {
			return p.call(name)
		}
		return name
	case TokenInt:
		p.Next()
		return &Int{t.Span, t.Text, t.Value, t.Unit}
	case TokenString:
		if len(t.Text) > p.limits.Text {
			p.Error(t, fmt.Sprintf("this text has %d bytes, the most are %d", len(t.Text), p.limits.Text))
		}
		p.Next()
		return &String{t.Span, t.Text}
	case TokenSymbol:
		switch t.Text {
		case "(":
			return p.parenthesis()
		case "$":
			return p.variable()
		case "@":
			return p.fail(t, "there are no maps: events are stored as they are, and counted by analyze")
		}
	}
	return p.missing(t)
}

// parenthesis parses (x).
func (p *Parser) parenthesis() Expr {
	open := p.Token
	if !p.enter() {
		return &Bad{open.Span}
	}
	p.Next()
	x := p.inside(p.conditional)
	p.leave()
	if p.failed || !p.close(")", open) {
		return x
	}
	if b, ok := x.(*Binary); ok {
		if p.grouped == nil {
			p.grouped = make(map[*Binary]bool)
		}
		p.grouped[b] = true
	}
	return x
}

// call parses the arguments of a function.
func (p *Parser) call(name *Ident) Expr {
	open := p.Token
	if !p.enter() {
		return name
	}
	defer p.leave()
	p.Next()
	c := &Call{Fun: name}
	for !p.Token.Is(")") {
		arg := p.inside(p.conditional)
		if p.failed {
			return name
		}
		c.Args = append(c.Args, arg)
		if !p.Take(",") {
			break
		}
		if p.Token.Is(")") {
			return p.fail(p.Token, "an argument is missing behind the comma")
		}
	}
	end := p.Token.To
	if !p.close(")", open) {
		return name
	}
	c.Span = Span{name.From, end}
	return c
}

// variable reports a $name.
func (p *Parser) variable() Expr {
	dollar := p.Token
	name := p.Peek()
	if name.Kind == TokenInt {
		return p.fail(Span{dollar.From, name.To}, "there are no positional parameters", "let the shell put the value in: \"... == $1\"")
	}
	return p.fail(Span{dollar.From, name.To}, "there are no variables", "write the expression itself where its value is used")
}

// missing reports that an operand was expected at t.
func (p *Parser) missing(t Token) Expr {
	switch {
	case t.Kind == TokenEnd:
		return p.fail(t, "the text ends where a value is expected")
	case t.Is("/") && p.slash:
		return p.fail(t, "the filter ends where a value is expected")
	case t.Is("+"):
		return p.fail(t, "there is no + before a value", "leave it out")
	}
	return p.fail(t, "a value is expected before "+p.Describe(t))
}

// unexpectedAfter reports the next token: the expression before it is whole.
func (p *Parser) unexpectedAfter() {
	t := p.Token
	if t.Kind == TokenBad {
		return
	}
	switch {
	case t.Is(")") || t.Is("]") || t.Is("}"):
		p.Error(t, fmt.Sprintf("this %s closes nothing", t.Text))
	case beginsOperand(t):
		p.Error(t, "an operator is missing before "+p.Describe(t))
	default:
		p.Error(t, p.Describe(t)+" is not expected here")
	}
}

// Describe names a token in a sentence.
func (p *Parser) Describe(t Token) string {
	switch t.Kind {
	case TokenEnd:
		return "the end of the text"
	case TokenString:
		return "a text"
	}
	const most = 32
	text := p.Source.Text[t.From.Offset:t.To.Offset]
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "..."
	}
	return text
}

// Skip moves on, without reporting anything, to the first token for which stop returns true, or to the end. depth is how many brackets are
// open around it, of those that opened since.
func (p *Parser) Skip(stop func(t Token, depth int) bool) {
	p.lex.quiet = true
	depth := 0
	for p.Token.Kind != TokenEnd && !stop(p.Token, depth) {
		switch {
		case p.Token.Is("{") || p.Token.Is("(") || p.Token.Is("["):
			depth++
		case p.Token.Is("}") || p.Token.Is(")") || p.Token.Is("]"):
			depth = max(0, depth-1)
		}
		p.Next()
	}
	p.lex.quiet = false
	if p.Token.Kind != TokenEnd {
		newLine := p.Token.NewLine
		p.Seek(p.Token.From) // report what is wrong with the token itself
		p.Token.NewLine = newLine
	}
}

package expr

// Expr is an expression. Parentheses are not kept: the tree's shape says what they said.
type Expr interface {
	Node
	exprNode()
}

// Bad stands where the text could not be understood. Its error is reported already: whoever checks the tree says nothing about it,
// nor about what holds it.
type Bad struct {
	Span
}

// Ident is a name: a built-in, args, a column.
type Ident struct {
	Span
	Name string
}

// Int is an integer: 42, 0x2a, 0o52, 0b101010, 'a', 1_000, a duration in ns (10ms, 1.5s, 1h30m), a size in bytes (4KiB, 64K, 1MB).
type Int struct {
	Span
	Text  string // as written
	Value uint64 // with its unit applied
	Unit  Unit
}

// Unit says what an integer counts.
type Unit uint8

// The units.
const (
	UnitNone     Unit = iota
	UnitDuration      // ns
	UnitSize          // bytes
)

// String is a text in double quotes.
type String struct {
	Span
	Value string // without quotes, escapes resolved
}

// Unary is an operator before its operand.
type Unary struct {
	Span
	Op Op // OpNot, OpNeg, OpCompl, OpDeref, OpAddr
	X  Expr
}

// Binary is an operator between two operands.
type Binary struct {
	Span
	Op   Op
	OpAt Span // where the operator is
	X, Y Expr
}

// Cond is cond ? x : y.
type Cond struct {
	Span
	If   Expr
	X, Y Expr
}

// Call is a call of a built-in function: str(p, 64).
type Call struct {
	Span
	Fun  *Ident
	Args []Expr
}

// Member is x.name, or x->name.
type Member struct {
	Span
	X     Expr
	Arrow bool
	Name  *Ident
}

// Index is x[i].
type Index struct {
	Span
	X, I Expr
}

// Cast is (type)x.
type Cast struct {
	Span
	Type *TypeName
	X    Expr
}

// TypeName is a type as it is written in a cast: u32, unsigned long, struct sock *, pid_t.
type TypeName struct {
	Span
	Tag   string // struct, union, enum; empty: a typedef or a basic type
	Name  string // several words are one space apart, without const and volatile: unsigned long
	Stars int    // how often it is a pointer
}

func (*Bad) exprNode()    {}
func (*Ident) exprNode()  {}
func (*Int) exprNode()    {}
func (*String) exprNode() {}
func (*Unary) exprNode()  {}
func (*Binary) exprNode() {}
func (*Cond) exprNode()   {}
func (*Call) exprNode()   {}
func (*Member) exprNode() {}
func (*Index) exprNode()  {}
func (*Cast) exprNode()   {}

// Op is an operator.
type Op uint8

// The operators.
const (
	OpNone Op = iota

	OpNot   // !x
	OpNeg   // -x
	OpCompl // ~x
	OpDeref // *x
	OpAddr  // &x

	OpMul
	OpDiv
	OpMod
	OpAdd
	OpSub
	OpShl
	OpShr
	OpLt
	OpLe
	OpGt
	OpGe
	OpEq
	OpNe
	OpMatch   // text ~ "glob"
	OpNoMatch // text !~ "glob"
	OpAnd
	OpXor
	OpOr
	OpLand
	OpLor
	opEnd
)

var opText = [opEnd]string{
	OpNot: "!", OpNeg: "-", OpCompl: "~", OpDeref: "*", OpAddr: "&",
	OpMul: "*", OpDiv: "/", OpMod: "%", OpAdd: "+", OpSub: "-", OpShl: "<<", OpShr: ">>",
	OpLt: "<", OpLe: "<=", OpGt: ">", OpGe: ">=", OpEq: "==", OpNe: "!=", OpMatch: "~", OpNoMatch: "!~",
	OpAnd: "&", OpXor: "^", OpOr: "|", OpLand: "&&", OpLor: "||",
}

// String returns the operator as it is written.
func (o Op) String() string {
	if o < opEnd {
		return opText[o]
	}
	return "operator"
}

// The precedences, as in C: a larger one binds closer. Matches are with the equalities.
const (
	precLowest = iota
	precCond
	precLor
	precLand
	precOr
	precXor
	precAnd
	precEq
	precRel
	precShift
	precAdd
	precMul
	precUnary
	precPostfix
)

// precedence returns how close a binary operator binds, 0 for others.
func (o Op) precedence() int {
	switch o {
	case OpMul, OpDiv, OpMod:
		return precMul
	case OpAdd, OpSub:
		return precAdd
	case OpShl, OpShr:
		return precShift
	case OpLt, OpLe, OpGt, OpGe:
		return precRel
	case OpEq, OpNe, OpMatch, OpNoMatch:
		return precEq
	case OpAnd:
		return precAnd
	case OpXor:
		return precXor
	case OpOr:
		return precOr
	case OpLand:
		return precLand
	case OpLor:
		return precLor
	}
	return precLowest
}

// Compare reports whether the operator compares its operands: its result is true or false.
func (o Op) Compare() bool { return o >= OpLt && o <= OpNoMatch }

// Children calls yield for each direct operand of e, in the order of the text.
func Children(e Expr, yield func(Expr)) {
	switch e := e.(type) {
	case *Unary:
		yield(e.X)
	case *Binary:
		yield(e.X)
		yield(e.Y)
	case *Cond:
		yield(e.If)
		yield(e.X)
		yield(e.Y)
	case *Call:
		for _, a := range e.Args {
			yield(a)
		}
	case *Member:
		yield(e.X)
	case *Index:
		yield(e.X)
		yield(e.I)
	case *Cast:
		yield(e.X)
	}
}

// Walk calls visit for e and, where that returns true, for everything in it, from the outside in.
func Walk(e Expr, visit func(Expr) bool) {
	if e == nil || !visit(e) {
		return
	}
	Children(e, func(c Expr) { Walk(c, visit) })
}

// HasBad reports whether a part of e could not be understood.
func HasBad(e Expr) bool {
	bad := false
	Walk(e, func(e Expr) bool {
		_, is := e.(*Bad)
		bad = bad || is
		return !bad
	})
	return bad
}

// Equal reports whether a and b are the same expression, wherever they are.
func Equal(a, b Expr) bool {
	switch a := a.(type) {
	case nil:
		return b == nil
	case *Bad:
		_, ok := b.(*Bad)
		return ok
	case *Ident:
		b, ok := b.(*Ident)
		return ok && a.Name == b.Name
	case *Int:
		b, ok := b.(*Int)
		return ok && a.Value == b.Value && a.Unit == b.Unit
	case *String:
		b, ok := b.(*String)
		return ok && a.Value == b.Value
	case *Unary:
		b, ok := b.(*Unary)
		return ok && a.Op == b.Op && Equal(a.X, b.X)
	case *Binary:
		b, ok := b.(*Binary)
		return ok && a.Op == b.Op && Equal(a.X, b.X) && Equal(a.Y, b.Y)
	case *Cond:
		b, ok := b.(*Cond)
		return ok && Equal(a.If, b.If) && Equal(a.X, b.X) && Equal(a.Y, b.Y)
	case *Call:
		b, ok := b.(*Call)
		if !ok || a.Fun.Name != b.Fun.Name || len(a.Args) != len(b.Args) {
			return false
		}
		for i := range a.Args {
			if !Equal(a.Args[i], b.Args[i]) {
				return false
			}
		}
		return true
	case *Member:
		b, ok := b.(*Member)
		return ok && a.Arrow == b.Arrow && a.Name.Name == b.Name.Name && Equal(a.X, b.X)
	case *Index:
		b, ok := b.(*Index)
		return ok && Equal(a.X, b.X) && Equal(a.I, b.I)
	case *Cast:
		b, ok := b.(*Cast)
		return ok && a.Type.Tag == b.Type.Tag && a.Type.Name == b.Type.Name && a.Type.Stars == b.Type.Stars && Equal(a.X, b.X)
	}
	return false
}

package resolve

import (
	"fmt"
	"math"

	"probetape/schemas"
	"probetape/schemas/expr"
)

// junction checks x && y and x || y, of any length. What constants decide is decided here.
func (s *scope) junction(e *expr.Binary) value {
	op, decisive := OpLand, false
	if e.Op == expr.OpLor {
		op, decisive = OpLor, true
	}
	var open []*Expr
	failed, decided := false, false
	for _, part := range chain(e, e.Op, nil) {
		switch x := s.condition(part); {
		case x == nil:
			failed = true
		case x.Op != OpConst:
			open = append(open, x)
		case (x.Int != 0) == decisive:
			decided = true
		}
	}
	switch {
	case failed:
		return bad()
	case decided || len(open) == 0:
		return value{t: boolType(), x: constant(e, boolInt(decisive == decided), boolType().plan())}
	}
	return value{t: boolType(), x: truth(e, joinConditions(e, op, open))}
}

// chain returns the operands of a && b && c, or a || b || c.
func chain(e expr.Expr, op expr.Op, parts []expr.Expr) []expr.Expr {
	if b, ok := e.(*expr.Binary); ok && b.Op == op {
		return chain(b.Y, op, chain(b.X, op, parts))
	}
	return append(parts, e)
}

// joinConditions joins conditions by && or || into a tree of the least depth: what waits for a later operand to decide takes stack. The order
// in which they are looked at stays.
func joinConditions(at expr.Node, op Op, parts []*Expr) *Expr {
	switch n := len(parts); n {
	case 0:
		return nil
	case 1:
		return parts[0]
	case 2:
		return node(at, op, boolType().plan(), parts[0], parts[1])
	default:
		half := n / 2
		return node(at, op, boolType().plan(), joinConditions(at, op, parts[:half]), joinConditions(at, op, parts[half:]))
	}
}

// truth makes a condition a bool.
func truth(at expr.Node, x *Expr) *Expr {
	switch {
	case x.Op == OpConst:
		return constant(at, boolInt(x.Int != 0), boolType().plan())
	case x.Type.Kind == KindBool:
		return x
	}
	return node(at, OpNe, boolType().plan(), x, constant(at, 0, x.Type))
}

func foldNot(at expr.Node, x *Expr) *Expr {
	if x.Op == OpConst {
		return constant(at, boolInt(x.Int == 0), boolType().plan())
	}
	return node(at, OpNot, boolType().plan(), x)
}

func (s *scope) foldCond(at expr.Node, t Type, c, x, y *Expr) *Expr {
	if c.Op == OpConst {
		if c.Int != 0 {
			return x
		}
		return y
	}
	return node(at, OpCond, t, c, x, y)
}

// compare checks == != < <= > >=.
func (s *scope) compare(e *expr.Binary) value {
	x, y := s.pair(e.X, e.Y)
	if x.bad() || y.bad() {
		return bad()
	}
	if x.t.class == classText || y.t.class == classText {
		return s.compareText(e, x, y)
	}
	for i, v := range [...]value{x, y} {
		side := [...]expr.Expr{e.X, e.Y}[i]
		if v.t.class == classBytes {
			return s.errorf(side, []string{fmt.Sprintf("compare them as a text: str(%s, 16) == \"...\"", show(side))}, "%s is bytes, which are not compared", show(side))
		}
		if !v.t.scalar() {
			return s.errorf(side, nil, "%s is %s, which is not compared", show(side), v.t)
		}
	}
	s.unitNote(e, x, y)
	op := binaryOps[e.Op]
	if x.x.Op == OpConst && y.x.Op == OpConst {
		return value{t: boolType(), x: constant(e, boolInt(compareInts(op, x.x.Int, y.x.Int, x.t.signed && y.t.signed)), boolType().plan())}
	}
	if x.x.Op == OpConst {
		return s.compareConst(e, e.Y, y, mirrored(op), x, e.X)
	}
	if y.x.Op == OpConst {
		return s.compareConst(e, e.X, x, op, y, e.Y)
	}
	return value{t: boolType(), x: compareByValue(e, op, x, y)}
}

// unitNote tells whoever compares a duration with a bare number what it counts.
func (s *scope) unitNote(e *expr.Binary, x, y value) {
	for _, side := range [2]struct {
		v    value
		text expr.Expr
		with expr.Expr
	}{{x, e.Y, e.X}, {y, e.X, e.Y}} {
		lit, ok := side.text.(*expr.Int)
		if ok && lit.Unit == expr.UnitNone && lit.Value != 0 && side.v.t.display == schemas.DisplayNanos && side.v.x.Op == OpDuration {
			s.notef(side.text, []string{fmt.Sprintf("write a unit: %sns, %sus, %sms", lit.Text, lit.Text, lit.Text)}, "%s counts nanoseconds: %s is %s ns", show(side.with), lit.Text, lit.Text)
		}
	}
}

func mirrored(op Op) Op {
	switch op {
	case OpLt:
		return OpGt
	case OpLe:
		return OpGe
	case OpGt:
		return OpLt
	case OpGe:
		return OpLe
	}
	return op
}

func compareInts(op Op, a, b int64, signed bool) bool {
	less := a < b
	if !signed {
		less = uint64(a) < uint64(b)
	}
	switch op {
	case OpEq:
		return a == b
	case OpNe:
		return a != b
	case OpLt:
		return less
	case OpLe:
		return less || a == b
	case OpGt:
		return !less && a != b
	}
	return !less
}

// compareConst compares a value with a constant. A comparison that its type decides is a mistake: it would select everything or nothing.
func (s *scope) compareConst(e *expr.Binary, side expr.Expr, v value, op Op, c value, literal expr.Expr) value {
	n := c.x.Int
	huge := !c.t.signed && n < 0 // above what a signed number holds
	lo, hi := rangeOf(v)
	var above, below bool // the constant is beyond everything that the type holds
	switch {
	case v.t.class == classPointer:
		// By its bits: -1 is the highest address, and p > -4096 asks for an error number. But none is below 0.
		if !huge && n <= 0 && (op == OpLt || op == OpGe) {
			return s.decided(e, side, v, literal, op == OpGe)
		}
		return value{t: boolType(), x: node(e, op, boolType().plan(), v.x, constant(literal, n, v.x.Type))}
	case huge || n >= 0:
		above = uint64(n) > hi
	default:
		below = n < lo
	}
	switch {
	case above || below:
		return s.decided(e, side, v, literal, op == OpNe || above && (op == OpLt || op == OpLe) || below && (op == OpGt || op == OpGe))
	case n == lo && !huge && (op == OpLt || op == OpGe):
		return s.decided(e, side, v, literal, op == OpGe)
	case uint64(n) == hi && (huge || n >= 0) && (op == OpGt || op == OpLe):
		return s.decided(e, side, v, literal, op == OpLe)
	}
	return value{t: boolType(), x: node(e, op, boolType().plan(), v.x, constant(literal, n, v.x.Type))}
}

// rangeOf returns the least and the greatest number that a value can be.
func rangeOf(v value) (lo int64, hi uint64) {
	bits := 8 * v.t.size
	switch {
	case v.t.class == classBool:
		return 0, 1
	case v.x.BitSize > 0:
		bits = v.x.BitSize
	}
	if v.t.signed {
		return math.MinInt64 >> (64 - bits), math.MaxInt64 >> (64 - bits)
	}
	return 0, math.MaxUint64 >> (64 - bits)
}

// decided reports a comparison that is the same for every value.
func (s *scope) decided(e *expr.Binary, side expr.Expr, v value, literal expr.Expr, always bool) value {
	lo, hi := rangeOf(v)
	word := "never"
	if always {
		word = "always"
	}
	var hints []string
	if lit := show(literal); !v.t.signed && (lit[0] == '-' || lit == "0") && v.t.class != classBool {
		hints = []string{fmt.Sprintf("to compare it as a signed number, cast it: (%s)%s", intName(max(v.t.size, 1), true), operandText(side))}
	}
	what := fmt.Sprintf("%s is a %s", show(side), v.t)
	if v.t.class != classPointer {
		what = fmt.Sprintf("%s is %s (%d to %d)", show(side), article(v.t.String()), lo, hi)
	}
	return s.errorf(e, hints, "%s is %s true: %s", show(e), word, what)
}

func article(name string) string {
	if name == "" {
		return "a number"
	}
	switch name[0] {
	case 'a', 'e', 'i', 'o':
		return "an " + name
	case 'u':
		if len(name) > 1 && name[1] >= '0' && name[1] <= '9' {
			return "a " + name
		}
		return "an " + name
	}
	return "a " + name
}

// compareByValue compares two numbers as the numbers they are. C converts a signed number to an unsigned one of the same width first, so that
// -1 is more than 1; here a negative number is less than every unsigned one.
func compareByValue(at expr.Node, op Op, x, y value) *Expr {
	t := boolType().plan()
	if x.t.class == classPointer || y.t.class == classPointer || x.t.signed == y.t.signed {
		return node(at, op, t, sameSign(at, x, y), y.x)
	}
	if x.t.signed {
		return mixed(at, op, x, y)
	}
	return mixed(at, mirrored(op), y, x)
}

// sameSign returns x so that its type's sign decides rightly for both: compilers look at the first operand's.
func sameSign(at expr.Node, x, y value) *Expr {
	if x.t.class != classPointer && y.t.class == classPointer && x.t.signed {
		return convert(at, x, intType(8, false))
	}
	return x.x
}

// mixed compares a signed number with an unsigned one.
func mixed(at expr.Node, op Op, signed, unsigned value) *Expr {
	t := boolType().plan()
	long := intType(8, true)
	if unsigned.t.size < 8 || unsigned.t.class == classBool {
		return node(at, op, t, convert(at, signed, long), convert(at, unsigned, long))
	}
	zero := constant(at, 0, long.plan())
	wide := convert(at, signed, long)
	both := node(at, op, t, convert(at, signed, intType(8, false)), unsigned.x)
	switch op {
	case OpLt, OpLe, OpNe:
		return node(at, OpLor, t, node(at, OpLt, t, wide, zero), both)
	}
	return node(at, OpLand, t, node(at, OpGe, t, wide, zero), both)
}

// maxCompared is the longest text that the kernel compares with.
const maxCompared = 64

// compareText checks a comparison of texts: a text with a literal.
func (s *scope) compareText(e *expr.Binary, x, y value) value {
	if e.Op != expr.OpEq && e.Op != expr.OpNe {
		return s.errorf(e, []string{`use == and !=, or a glob: x ~ "a*"`}, "texts have no order: %s compares numbers", e.Op)
	}
	for i, v := range [...]value{x, y} {
		other, side := [...]value{y, x}[i], [...]expr.Expr{e.X, e.Y}[i]
		if v.t.class == classText {
			continue
		}
		if v.t.class == classPointer && other.x.Op == OpText {
			return s.errorf(side, []string{fmt.Sprintf("read the string there: str(%s) %s %s", show(side), e.Op, quoteOther(e, i))}, "%s is an address (%s), which is no text", show(side), v.t)
		}
		if v.t.class == classEnum && other.x.Op == OpText {
			return s.errorf([...]expr.Expr{e.Y, e.X}[i], []string{fmt.Sprintf("write the constant's name without quotes: %s", other.x.Text)}, "%s is a number with names (%s), not a text", show(side), v.t)
		}
		var hints []string
		if lit, ok := side.(*expr.Int); ok {
			hints = []string{fmt.Sprintf("write it in quotes: %q", lit.Text)}
		}
		return s.errorf(side, hints, "%s is %s, and is compared with a text", show(side), describe(v.t))
	}
	if x.x.Op == OpText {
		x, y = y, x
	}
	if y.x.Op != OpText {
		return s.errorf(e, []string{"keep both as fields, and compare them when analysing"}, "two texts that are both read are not compared: one must be written in quotes")
	}
	if n := len(y.x.Text); n > maxCompared {
		return s.errorf(e, nil, "a text is compared with at most %d bytes, this one has %d", maxCompared, n)
	}
	if most := longest(x.x); most < len(y.x.Text) {
		word := "never"
		if e.Op == expr.OpNe {
			word = "always"
		}
		return s.errorf(e, nil, "%s is %s true: the text has at most %d bytes, and is compared with %d", show(e), word, most, len(y.x.Text))
	}
	test := s.textTest(e, x.x, func(t *Expr) *Expr {
		if t.Op == OpText {
			return constant(e, boolInt(t.Text == y.x.Text), boolType().plan())
		}
		return node(e, OpEq, boolType().plan(), t, y.x)
	})
	if e.Op == expr.OpNe {
		test = foldNot(e, test)
	}
	return value{t: boolType(), x: test}
}

// longest is the most bytes that a text has.
func longest(x *Expr) int {
	switch {
	case x.Op == OpCond:
		return max(longest(x.Y), longest(x.Z))
	case x.Op == OpText:
		return len(x.Text)
	case x.Op == OpComm:
		return min(x.Type.Max, commLength)
	case x.Op == OpStr && x.Y != nil && x.Y.Op == OpConst:
		return int(x.Y.Int)
	}
	return math.MaxInt
}

// commLength is the longest name of a task (TASK_COMM_LEN without the NUL).
const commLength = 15

func quoteOther(e *expr.Binary, side int) string {
	return show([...]expr.Expr{e.Y, e.X}[side])
}

// textTest applies a test to a text; where it is one of two, to each of them.
func (s *scope) textTest(at expr.Node, x *Expr, test func(*Expr) *Expr) *Expr {
	if x.Op != OpCond {
		return test(x)
	}
	return s.foldCond(at, boolType().plan(), x.X, s.textTest(at, x.Y, test), s.textTest(at, x.Z, test))
}

// match checks text ~ "glob" and text !~ "glob".
func (s *scope) match(e *expr.Binary) value {
	x, y := s.content(e.X), s.content(e.Y)
	if x.bad() || y.bad() {
		return bad()
	}
	if x.t.class != classText {
		var hints []string
		if x.t.class == classPointer {
			hints = []string{fmt.Sprintf("read the string there: str(%s) %s %s", show(e.X), e.Op, show(e.Y))}
		}
		return s.errorf(e.X, hints, "%s matches texts, and %s is %s", e.Op, show(e.X), describe(x.t))
	}
	if y.t.class != classText || y.x.Op != OpText {
		return s.errorf(e.Y, nil, `the pattern of %s must be written in quotes: %s %s "a*"`, e.Op, show(e.X), e.Op)
	}
	pattern := y.x.Text
	if len(pattern) > maxCompared {
		return s.errorf(e.Y, nil, "a pattern has at most %d bytes, this one has %d", maxCompared, len(pattern))
	}
	test := s.textTest(e, x.x, func(t *Expr) *Expr {
		if t.Op == OpText {
			return constant(e, boolInt(matchGlob(pattern, t.Text)), boolType().plan())
		}
		m := node(e, OpMatch, boolType().plan(), t)
		m.Text = pattern
		return m
	})
	if e.Op == expr.OpNoMatch {
		test = foldNot(e, test)
	}
	return value{t: boolType(), x: test}
}

// describe says what a value is for a sentence that ends with it.
func describe(t ctype) string {
	switch t.class {
	case classPointer:
		return "an address (" + t.String() + ")"
	case classInt, classEnum, classBool:
		return "a number (" + t.String() + ")"
	}
	return t.String()
}

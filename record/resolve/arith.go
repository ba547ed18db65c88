package resolve

import (
	"math"
	"math/bits"

	"github.com/cilium/ebpf/btf"

	"probetape/schemas"
	"probetape/schemas/expr"
)

// promote is C's integer promotion: what is narrower than an int becomes one.
func promote(t ctype) ctype {
	if t.size < 4 || t.class == classBool {
		return intType(4, true)
	}
	return intType(t.size, t.signed)
}

// common is the type that C's usual arithmetic conversions give two numbers.
func common(a, b ctype) ctype {
	a, b = promote(a), promote(b)
	switch {
	case a.size > b.size:
		return a
	case b.size > a.size:
		return b
	case !a.signed:
		return a
	}
	return b
}

// convert makes a value one of a number's or pointer's type, as a cast does.
func convert(at expr.Node, v value, t ctype) *Expr {
	want := t.plan()
	x := v.x
	switch {
	case x.Op == OpConst && t.class == classBool:
		return constant(at, boolInt(x.Int != 0), want)
	case x.Op == OpConst:
		return constant(at, wrap(x.Int, want), want)
	case t.class == classBool && x.Type.Kind == KindBool:
		return x
	case t.class != classBool && x.Type == want:
		return x
	}
	return node(at, OpCast, want, x)
}

func boolInt(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// wrap cuts a number to a type's width and extends it again as its sign says.
func wrap(v int64, t Type) int64 {
	if t.Size <= 0 || t.Size >= 8 {
		return v
	}
	shift := 64 - 8*t.Size
	if t.Signed {
		return v << shift >> shift
	}
	return int64(uint64(v) << shift >> shift)
}

var binaryOps = map[expr.Op]Op{
	expr.OpMul: OpMul, expr.OpDiv: OpDiv, expr.OpMod: OpMod, expr.OpAdd: OpAdd, expr.OpSub: OpSub, expr.OpShl: OpShl, expr.OpShr: OpShr,
	expr.OpAnd: OpAnd, expr.OpOr: OpOr, expr.OpXor: OpXor,
	expr.OpEq: OpEq, expr.OpNe: OpNe, expr.OpLt: OpLt, expr.OpLe: OpLe, expr.OpGt: OpGt, expr.OpGe: OpGe,
}

func (s *scope) binary(e *expr.Binary) value {
	switch {
	case e.Op == expr.OpLand || e.Op == expr.OpLor:
		return s.junction(e)
	case e.Op == expr.OpMatch || e.Op == expr.OpNoMatch:
		return s.match(e)
	case e.Op.Compare():
		return s.compare(e)
	}
	x, y := s.scalar(e.X, "an operand of "+e.Op.String()), s.scalar(e.Y, "an operand of "+e.Op.String())
	if x.bad() || y.bad() {
		return bad()
	}
	if x.t.class == classPointer || y.t.class == classPointer {
		return s.pointerArith(e, x, y)
	}
	op := binaryOps[e.Op]
	t := common(x.t, y.t)
	if op == OpShl || op == OpShr {
		t = promote(x.t)
		if y.x.Op == OpConst && (y.x.Int < 0 || y.x.Int >= int64(8*t.size)) {
			return s.errorf(e.Y, nil, "a shift by %s: %s has %d bits", show(e.Y), show(e.X), 8*t.size)
		}
		return s.fold(e, op, t, convert(e.X, x, t), convert(e.Y, y, promote(y.t)))
	}
	if (op == OpDiv || op == OpMod) && y.x.Op == OpConst && y.x.Int == 0 {
		return s.errorf(e.Y, nil, "a division by zero")
	}
	if x.t.display == y.t.display || y.x.Op == OpConst && (op == OpAdd || op == OpSub) {
		t.display = x.t.display
	}
	return s.fold(e, op, t, convert(e.X, x, t), convert(e.Y, y, t))
}

// pointerArith is C's: a number added to an address counts in what it points at. Differences are in bytes between equal types only.
func (s *scope) pointerArith(e *expr.Binary, x, y value) value {
	switch {
	case e.Op == expr.OpAdd && y.t.class != classPointer:
		return s.step(e, x, y, false)
	case e.Op == expr.OpAdd && x.t.class != classPointer:
		return s.step(e, y, x, false)
	case e.Op == expr.OpSub && x.t.class == classPointer && y.t.class != classPointer:
		return s.step(e, x, y, true)
	case e.Op == expr.OpSub && x.t.class == classPointer && y.t.class == classPointer:
		size := targetSize(x.t.target, s.env.types)
		if size == 0 || size != targetSize(y.t.target, s.env.types) {
			return s.errorf(e, nil, "%s and %s point at different types", show(e.X), show(e.Y))
		}
		t := intType(8, true)
		diff := node(e, OpSub, t.plan(), x.x, y.x)
		return value{t: t, x: node(e, OpDiv, t.plan(), diff, constant(e, size, t.plan()))}
	case e.Op == expr.OpAnd || e.Op == expr.OpOr:
		// Flags in the low bits of an address, masks.
		t := intType(8, false)
		t.display = schemas.DisplayHex
		return s.fold(e, binaryOps[e.Op], t, convert(e.X, x, t), convert(e.Y, y, t))
	}
	return s.errorf(e, []string{"cast the address to a number first: (u64)p"}, "%s and %s: an address allows + and - of a number only", x.t, y.t)
}

// step moves an address by n of what it points at.
func (s *scope) step(e expr.Node, p, n value, back bool) value {
	size := targetSize(p.t.target, s.env.types)
	if size == 0 {
		return s.errorf(e, []string{"cast it: (char *)p counts in bytes"}, "the size of what a %s points at is not known", p.t)
	}
	return value{t: p.t, x: advance(e, p.x, n, size, back)}
}

// advance adds n elements of a size to an address.
func advance(at expr.Node, p *Expr, n value, size int64, back bool) *Expr {
	long := intType(8, true)
	count := convert(at, n, long)
	if count.Op == OpConst {
		bytes := count.Int * size
		if back {
			bytes = -bytes
		}
		return offsetBy(at, p, bytes)
	}
	if size != 1 {
		count = node(at, OpMul, long.plan(), count, constant(at, size, long.plan()))
	}
	op := OpAdd
	if back {
		op = OpSub
	}
	return node(at, op, addressType(), p, count)
}

// targetSize is the size of what a pointer points at in bytes, 1 for void as GNU C has it, 0 where it is not known.
func targetSize(t btf.Type, types lookup) int64 {
	whole := types.complete(t)
	if _, void := whole.(*btf.Void); void {
		return 1
	}
	n, err := btf.Sizeof(whole)
	if err != nil || n < 0 {
		return 0
	}
	return int64(n)
}

// arraySize is the size of an array in bytes, 0 where it is flexible or not known.
func arraySize(t ctype) int {
	n, err := btf.Sizeof(t.target)
	if err != nil || n <= 0 || t.count <= 0 || n > math.MaxInt32/t.count {
		return 0
	}
	return n * t.count
}

// negate makes -x or ~x.
func (s *scope) negate(at expr.Node, op Op, v value) value {
	t := promote(v.t)
	x := convert(at, v, t)
	if x.Op != OpConst {
		t.display = v.t.display
		return value{t: t, x: node(at, op, t.plan(), x)}
	}
	n := -x.Int
	if op == OpCompl {
		n = ^x.Int
	}
	// A literal that no int holds has a type of 64 bits; its negative may fit again (-2147483648).
	if op == OpNeg && t.size == 8 && t.signed && n == int64(int32(n)) && v.t.display == schemas.DisplayDecimal {
		t = intType(4, true)
	}
	return value{t: t, x: constant(at, wrap(n, t.plan()), t.plan())}
}

// fold makes an arithmetic operation, or its result where both operands are constants.
func (s *scope) fold(at expr.Node, op Op, t ctype, x, y *Expr) value {
	if x.Op != OpConst || y.Op != OpConst {
		return value{t: t, x: node(at, op, t.plan(), x, y)}
	}
	a, b := x.Int, y.Int
	var r int64
	switch op {
	case OpAdd:
		r = a + b
	case OpSub:
		r = a - b
	case OpMul:
		r = a * b
	case OpDiv, OpMod:
		r = divide(op, t, a, b)
	case OpShl:
		r = a << uint64(b)
	case OpShr:
		if t.signed {
			r = a >> uint64(b)
		} else {
			r = int64(uint64(a) >> uint64(b))
		}
	case OpAnd:
		r = a & b
	case OpOr:
		r = a | b
	case OpXor:
		r = a ^ b
	}
	if overflows(op, t, a, b) {
		return s.errorf(at, nil, "the result does not fit into 64 bits")
	}
	if t.size < 8 && wrap(r, t.plan()) != r {
		t = intType(8, true) // a constant is as wide as it must be: 1 << 31
	}
	return value{t: t, x: constant(at, r, t.plan())}
}

// divide divides two constants; the smallest number by -1 is itself, as the kernel's program gets it.
func divide(op Op, t ctype, a, b int64) int64 {
	if !t.signed {
		if op == OpDiv {
			return int64(uint64(a) / uint64(b))
		}
		return int64(uint64(a) % uint64(b))
	}
	if op == OpDiv {
		return a / b
	}
	return a % b
}

// overflows reports whether a signed 64-bit operation on constants leaves its range. (Narrower ones show by being cut.)
func overflows(op Op, t ctype, a, b int64) bool {
	if !t.signed || t.size < 8 {
		return false
	}
	switch op {
	case OpShl:
		return a<<uint64(b)>>uint64(b) != a
	case OpAdd:
		r := a + b
		return (a > 0) == (b > 0) && (r > 0) != (a > 0) && a != 0 && b != 0
	case OpSub:
		r := a - b
		return (a >= 0) != (b >= 0) && (r >= 0) != (a >= 0)
	case OpMul:
		hi, lo := bits.Mul64(magnitude(a), magnitude(b))
		return hi != 0 || lo > 1<<63 || lo == 1<<63 && (a < 0) == (b < 0)
	}
	return false
}

func magnitude(a int64) uint64 {
	if a < 0 {
		return -uint64(a)
	}
	return uint64(a)
}

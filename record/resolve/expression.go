package resolve

import (
	"fmt"
	"math"

	"github.com/cilium/ebpf/btf"

	"probetape/schemas"
	"probetape/schemas/expr"
)

// scope checks expressions at one site.
type scope struct {
	src    *expr.Source
	env    *env
	raw    uint32            // bit i: argument i is a plain number, since the statement's sites do not agree on its type
	fields map[string]bool   // names of the statement's fields, for hints
	out    *expr.Diagnostics // where errors go
	zero   bool              // the return value of a function that returns nothing is 0: others of the statement have one
	zeroed bool              // set: it was asked for
	layout bool              // set: an address was cast to that of a struct, whose layout may differ in 32-bit programs
}

// errorf reports an error and returns the value that stands for it.
func (s *scope) errorf(at expr.Node, hints []string, format string, args ...any) value {
	*s.out = append(*s.out, s.src.Error(at, fmt.Sprintf(format, args...), hints...))
	return bad()
}

// show writes an expression for a message, its beginning where it is long.
func show(e expr.Expr) string {
	const most = 60
	text := []rune(expr.Format(e))
	if len(text) <= most {
		return string(text)
	}
	return string(text[:most]) + "..."
}

func (s *scope) refused(at expr.Node, r *refusal) value {
	return s.errorf(at, r.hints, "%s", r.message)
}

func (s *scope) notef(at expr.Node, hints []string, format string, args ...any) {
	*s.out = append(*s.out, s.src.Note(at, fmt.Sprintf(format, args...), hints...))
}

// value checks an expression. Structs, arrays and what can have its address taken stay places in memory.
func (s *scope) value(e expr.Expr) value {
	switch e := e.(type) {
	case *expr.Int:
		return s.literal(e)
	case *expr.String:
		x := node(e, OpText, textType(len(e.Value)).plan())
		x.Text = e.Value
		return value{t: textType(len(e.Value)), x: x}
	case *expr.Ident:
		return s.ident(e)
	case *expr.Unary:
		return s.unary(e)
	case *expr.Binary:
		return s.binary(e)
	case *expr.Cond:
		return s.cond(e)
	case *expr.Call:
		return s.call(e)
	case *expr.Member:
		return s.member(e)
	case *expr.Index:
		return s.index(e)
	case *expr.Cast:
		return s.cast(e)
	}
	return bad() // expr.Bad: reported by the parser
}

func (s *scope) literal(e *expr.Int) value {
	t := intType(8, false)
	switch {
	case e.Value <= math.MaxInt32 && e.Unit == expr.UnitNone:
		t = intType(4, true)
	case e.Value <= math.MaxInt64:
		t = intType(8, true)
	}
	if e.Unit == expr.UnitDuration {
		t.display = schemas.DisplayNanos
	}
	return value{t: t, x: constant(e, int64(e.Value), t.plan())}
}

// scalar checks an expression that must be a number or an address. Arrays become the address of their first element.
func (s *scope) scalar(e expr.Expr, what string) value { return s.toScalar(e, s.value(e), what) }

func (s *scope) toScalar(e expr.Expr, v value, what string) value {
	switch v.t.class {
	case classBad:
		return v
	case classInt, classBool, classEnum, classPointer:
		return s.read(e, v)
	case classArray:
		if v.mem.addr == nil {
			return s.errorf(e, nil, "%s must be a number: %s is an array of %d in the tracepoint's record", what, show(e), v.t.count)
		}
		return s.decay(e, v)
	case classText:
		return s.errorf(e, textHints(e, v, what), "%s must be a number, and %s is a string", what, show(e))
	case classStruct:
		return s.errorf(e, memberHint(e, v, s.env.types), "%s must be a number, and %s is a %s", what, show(e), v.t)
	case classVoid:
		return s.errorf(e, []string{"cast the address to the type of what is there: *(u32 *)p"}, "%s has no value: what is there is void", show(e))
	}
	return s.errorf(e, nil, "%s must be a number, and %s is %s", what, show(e), v.t)
}

func textHints(e expr.Expr, v value, what string) []string {
	switch {
	case v.x != nil && v.x.Op == OpText:
		return []string{"write a number without quotes"}
	case what == condition:
		return []string{fmt.Sprintf("compare texts with == \"...\" or with ~ \"glob*\": %s ~ \"a*\"", show(e))}
	}
	return nil
}

// condition is what filters, and the operands of && and their like, are called.
const condition = "a condition"

// memberHint shows how to name a member of a struct.
func memberHint(e expr.Expr, v value, types lookup) []string {
	names := memberNames(types.complete(v.t.target))
	if len(names) == 0 {
		return nil
	}
	return []string{fmt.Sprintf("name a member: %s.%s", show(e), names[0]), "members: " + list(names)}
}

// read loads a value that is in memory.
func (s *scope) read(e expr.Expr, v value) value {
	if v.mem == nil {
		return v
	}
	return value{t: v.t, x: v.mem.load(e, v.t)}
}

// decay turns an array into the address of its first element.
func (s *scope) decay(e expr.Expr, v value) value {
	return value{t: pointerTo(v.t.target, v.mem.space), x: v.mem.address(e)}
}

// pointerTo is the type of an address of a t in some memory.
func pointerTo(t btf.Type, in space) ctype {
	p := typeOf(&btf.Pointer{Target: t}, in)
	p.space = in
	return p
}

// content checks an expression whose value is captured or compared: numbers, addresses, texts; arrays of char are texts, others bytes.
func (s *scope) content(e expr.Expr) value { return s.toContent(e, s.value(e)) }

func (s *scope) toContent(e expr.Expr, v value) value {
	switch v.t.class {
	case classBad, classText, classBytes, classStack:
		return v
	case classInt, classBool, classEnum, classPointer:
		return s.read(e, v)
	case classArray:
		return s.wholeArray(e, v)
	case classStruct:
		return s.errorf(e, memberHint(e, v, s.env.types), "%s is a %s, which has no value as a whole", show(e), v.t)
	case classVoid:
		return s.errorf(e, []string{"cast the address to the type of what is there: *(u32 *)p", "keep the bytes there: buf(p, 16)"},
			"%s has no value: what is there is void", show(e))
	}
	return s.errorf(e, nil, "%s is %s, which cannot be read", show(e), v.t)
}

// wholeArray makes a text of an array of char, and bytes of any other.
func (s *scope) wholeArray(e expr.Expr, v value) value {
	addr := v.mem.address(e)
	set := func(x *Expr, most int) *Expr {
		x.Max, x.User, x.Either = most, v.mem.space == spaceUser, v.mem.space == spaceEither
		return x
	}
	if isChar(v.t.target) {
		most := v.t.count
		if most == 0 || most > schemas.MaxTextLen { // a flexible array: up to its NUL
			most = defaultText
		}
		x := node(e, OpStr, textType(most).plan(), addr)
		if v.t.count > 0 {
			x.Y = constant(e, int64(most), intType(4, true).plan())
		}
		return value{t: textType(most), x: set(x, most)}
	}
	size := arraySize(v.t)
	if size == 0 {
		return s.errorf(e, []string{fmt.Sprintf("name an element: %s[0]", show(e)), fmt.Sprintf("keep some bytes of it: buf(%s, 64)", show(e))},
			"%s is an array whose length is not known", show(e))
	}
	if size > schemas.MaxTextLen {
		return s.errorf(e, []string{fmt.Sprintf("keep some bytes of it: buf(%s, 64)", show(e))},
			"%s is an array of %d bytes; a field keeps at most %d", show(e), size, schemas.MaxTextLen)
	}
	x := node(e, OpBuf, bytesType(size).plan(), addr, constant(e, int64(size), intType(4, true).plan()))
	return value{t: bytesType(size), x: set(x, size)}
}

// condition checks an expression that is true or false. It returns nil where it is neither.
func (s *scope) condition(e expr.Expr) *Expr {
	v := s.scalar(e, condition)
	if v.bad() {
		return nil
	}
	return v.x
}

func (s *scope) unary(e *expr.Unary) value {
	switch e.Op {
	case expr.OpNot:
		x := s.condition(e.X)
		if x == nil {
			return bad()
		}
		return value{t: boolType(), x: foldNot(e, x)}
	case expr.OpNeg, expr.OpCompl:
		v := s.scalar(e.X, "the operand of "+e.Op.String())
		if v.bad() {
			return v
		}
		if v.t.class == classPointer {
			return s.errorf(e, nil, "%s is an address: %s%s has no meaning", show(e.X), e.Op, show(e.X))
		}
		op := OpNeg
		if e.Op == expr.OpCompl {
			op = OpCompl
		}
		return s.negate(e, op, v)
	case expr.OpDeref:
		v := s.scalar(e.X, "the operand of *")
		if v.bad() {
			return v
		}
		if v.t.class != classPointer {
			return s.errorf(e, castHint(e.X), "%s is a number of type %s: what is at that address is not known", show(e.X), v.t)
		}
		return s.follow(e, v)
	case expr.OpAddr:
		return s.addressOf(e)
	}
	return bad()
}

func castHint(e expr.Expr) []string {
	return []string{fmt.Sprintf("say what is there with a cast: *(u64 *)%s", operandText(e))}
}

// operandText writes an expression so that it can follow a cast.
func operandText(e expr.Expr) string {
	switch e.(type) {
	case *expr.Binary, *expr.Cond:
		return "(" + show(e) + ")"
	}
	return show(e)
}

// follow returns what a pointer points at.
func (s *scope) follow(e expr.Expr, v value) value {
	out := pointee(v, v.x, s.env.types)
	if out.t.class == classOther {
		return s.errorf(e, nil, "%s is %s, which cannot be read", show(e), out.t)
	}
	return out
}

func (s *scope) addressOf(e *expr.Unary) value {
	v := s.value(e.X)
	if v.bad() {
		return v
	}
	if v.mem == nil || v.mem.addr == nil || v.mem.bitSize > 0 || v.t.from == nil {
		return s.errorf(e, nil, "%s has no address", show(e.X))
	}
	if v.t.class == classArray {
		return s.decay(e, v)
	}
	return value{t: pointerTo(v.t.from, v.mem.space), x: v.mem.address(e)}
}

func (s *scope) cond(e *expr.Cond) value {
	c := s.condition(e.If)
	x, y := s.pair(e.X, e.Y)
	if c == nil || x.bad() || y.bad() {
		return bad()
	}
	switch {
	case x.t.class == classText && y.t.class == classText:
		t := textType(max(x.t.max, y.t.max))
		return value{t: t, x: s.foldCond(e, t.plan(), c, x.x, y.x)}
	case x.t.class == classPointer && y.t.class == classPointer:
		return value{t: x.t, x: s.foldCond(e, x.t.plan(), c, x.x, y.x)}
	case x.t.number() && y.t.number():
		t := common(x.t, y.t)
		if x.t.class == classBool && y.t.class == classBool {
			t = boolType()
		}
		if x.t.display == y.t.display {
			t.display = x.t.display
		}
		if x.t.class == classEnum && y.t.class == classEnum && x.t.target == y.t.target {
			return value{t: x.t, x: s.foldCond(e, x.t.plan(), c, x.x, y.x)}
		}
		return value{t: t, x: s.foldCond(e, t.plan(), c, convert(e.X, x, t), convert(e.Y, y, t))}
	case x.t.scalar() && y.t.scalar(): // an address and a number
		t := x.t
		if y.t.class == classPointer {
			t = y.t
		}
		return value{t: t, x: s.foldCond(e, t.plan(), c, convert(e.X, x, t), convert(e.Y, y, t))}
	}
	return s.errorf(e, nil, "the two values of ?: are of different kinds: %s and %s", x.t, y.t)
}

// pair checks two expressions that belong together: a bare name on one side may be a constant of the other side's enum.
func (s *scope) pair(x, y expr.Expr) (value, value) {
	if id, ok := x.(*expr.Ident); ok && !s.known(id.Name) {
		b := s.content(y)
		if a, ok := s.enumConstant(id, b.t); ok {
			return a, b
		}
		return s.content(x), b
	}
	a := s.content(x)
	if id, ok := y.(*expr.Ident); ok && !s.known(id.Name) {
		if b, ok := s.enumConstant(id, a.t); ok {
			return a, b
		}
	}
	return a, s.content(y)
}

func (s *scope) cast(e *expr.Cast) value {
	target, r := castType(e.Type, s.env.types)
	if r != nil {
		s.refused(e.Type, r)
		s.value(e.X)
		return bad()
	}
	t := typeOf(target, s.env.space)
	v := s.value(e.X)
	if v.bad() {
		return v
	}
	if v.t.class == classText || v.t.class == classBytes {
		return s.errorf(e, nil, "%s is %s: it has no other type", show(e.X), v.t)
	}
	v = s.toScalar(e.X, v, "what is cast")
	if v.bad() {
		return v
	}
	switch t.class {
	case classPointer:
		s.layout = s.layout || isComposite(btf.UnderlyingType(t.target))
		if v.t.class == classPointer && !userTagged(t.target) {
			t.space = v.t.space
		}
		return value{t: t, x: convert(e, v, t)}
	case classInt, classBool, classEnum:
		return value{t: t, x: convert(e, v, t)}
	case classStruct:
		return s.errorf(e.Type, []string{fmt.Sprintf("cast to the address of one: (%s *)%s", t.desc, operandText(e.X))}, "a number is no %s", t.desc)
	}
	return s.errorf(e.Type, nil, "nothing can be cast to %s", t)
}

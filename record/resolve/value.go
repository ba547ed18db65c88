package resolve

import (
	"github.com/cilium/ebpf/btf"

	"probetape/schemas/expr"
)

// A value is a checked expression: computed, or a place in memory that is read when its value is asked for.
type value struct {
	t   ctype
	x   *Expr  // computed; nil where mem is set
	mem *place // where it is
}

// A place is where a value is kept.
type place struct {
	addr    *Expr // address that offset counts from; nil: the tracepoint's record
	offset  int64
	space   space
	size    int // bytes to load: of a bit-field, what holds it
	bitOff  int
	bitSize int // 0: no bit-field
}

func bad() value { return value{} }

func (v value) bad() bool { return v.t.class == classBad }

// node makes an expression of the plan at a place in the text.
func node(at expr.Node, op Op, t Type, operands ...*Expr) *Expr {
	x := &Expr{Op: op, Type: t, Line: at.Pos().Line, Col: at.Pos().Col}
	for i, o := range operands {
		switch i {
		case 0:
			x.X = o
		case 1:
			x.Y = o
		case 2:
			x.Z = o
		}
	}
	return x
}

func constant(at expr.Node, v int64, t Type) *Expr {
	x := node(at, OpConst, t)
	x.Int = v
	return x
}

// addressType is the plan's type of addresses.
func addressType() Type { return Type{Kind: KindInt, Size: 8} }

// address returns the place's address.
func (p *place) address(at expr.Node) *Expr {
	if p.addr == nil {
		x := node(at, OpCtxAddr, addressType())
		x.Int = p.offset
		return x
	}
	return offsetBy(at, p.addr, p.offset)
}

// offsetBy adds a number of bytes to an address.
func offsetBy(at expr.Node, addr *Expr, n int64) *Expr {
	switch {
	case n == 0:
		return addr
	case addr.Op == OpConst:
		return constant(at, addr.Int+n, addressType())
	case addr.Op == OpAdd && addr.Y.Op == OpConst:
		return node(at, OpAdd, addressType(), addr.X, constant(at, addr.Y.Int+n, addressType()))
	}
	return node(at, OpAdd, addressType(), addr, constant(at, n, addressType()))
}

// load reads a number or pointer.
func (p *place) load(at expr.Node, t ctype) *Expr {
	size := p.size
	if size == 0 {
		size = t.size
	}
	op := OpLoad
	if p.addr == nil {
		op = OpCtx
	}
	x := node(at, op, t.plan())
	x.X, x.Int, x.Size, x.BitOff, x.BitSize = p.addr, p.offset, size, p.bitOff, p.bitSize
	if op == OpLoad {
		x.User, x.Either = p.space == spaceUser, p.space == spaceEither
	}
	return x
}

// member returns the place of a member of the struct at p, and its type.
func (p *place) member(m member, in space) (value, bool) {
	t := typeOf(m.Type, in)
	at := &place{addr: p.addr, space: p.space}
	if t.class == classStruct || t.class == classArray {
		t.space = p.space
	}
	bits := int64(m.offset)
	if m.BitfieldSize == 0 {
		at.offset = p.offset + bits/8
		return value{t: t, mem: at}, true
	}
	if !t.number() {
		return bad(), false
	}
	// The unit that the compiler used holds the whole field; where the type's own does not, a wider one does.
	for size := int64(t.size); size <= 8; size *= 2 {
		unit := bits / (8 * size) * (8 * size)
		if off := bits - unit; off+int64(m.BitfieldSize) <= 8*size {
			at.offset, at.size, at.bitOff, at.bitSize = p.offset+unit/8, int(size), int(off), int(m.BitfieldSize)
			if t.class == classBool {
				t = ctype{class: classBool, size: 1, desc: t.desc}
			}
			return value{t: t, mem: at}, true
		}
	}
	return bad(), false
}

// pointee returns what a pointer points at, as a place.
func pointee(v value, ptr *Expr, types lookup) value {
	target := types.complete(v.t.target)
	shown := v.t.target
	if _, declared := btf.UnderlyingType(shown).(*btf.Fwd); declared {
		shown = target
	}
	t := typeOf(shown, v.t.space)
	if t.class == classStruct || t.class == classArray {
		t.space = v.t.space
	}
	return value{t: t, mem: &place{addr: ptr, space: v.t.space}}
}

package resolve

import (
	"fmt"

	"probetape/schemas"
	"probetape/schemas/expr"
)

// env is what the names in an expression stand for at one site.
type env struct {
	kind  schemas.ProbeKind
	what  string // the site in words: system call "openat"
	probe string // the values of the built-ins probe and func
	fn    string
	space space // whose memory an address is of that is known as a number only
	types lookup

	args   []argument
	noArgs *refusal // why there are no named arguments
	// numbered is how many of arg0, arg1, ... there are; -1: the first maxArgs, all untyped where args does not know them.
	numbered   int
	noNumbered *refusal  // why there are none
	registers  []string  // where they are, if not where C functions have them (Go)
	operands   []operand // USDT: where they are

	ret   *ctype   // type of retval; nil: not known, a plain 64-bit number
	noRet *refusal // why there is none
	void  bool     // since the function returns nothing

	i386  bool // a 32-bit system call: its structs have other layouts than this kernel's own
	slots int  // kernel functions: argument slots of 8 bytes as a trampoline has them; -1: not known, or none can be made
	errno bool // a return value in -4095..-1 is an error number
}

// An argument is a named argument of a site.
type argument struct {
	name    string
	t       ctype
	index   int    // number of the argument
	mem     *place // a tracepoint's field: where it is in the record
	dynamic *Expr  // a tracepoint's dynamic field: OpStr or OpBuf without a position
	refused string // why it cannot be used
}

// A refusal says why something is not there.
type refusal struct {
	message string
	hints   []string
}

func refuse(message string, hints ...string) *refusal { return &refusal{message, hints} }

// maxArgs is how many numbered arguments can be named: arg0 to arg9.
const maxArgs = 10

// numberedArg returns argument i. raw asks for the plain 64-bit number, whatever its type.
func (e *env) numberedArg(at expr.Node, i int, raw bool) (value, *refusal) {
	if e.noNumbered != nil {
		return bad(), e.noNumbered
	}
	if e.kind == schemas.KindUSDT {
		return e.operandArg(at, i)
	}
	limit := e.numbered
	if limit < 0 {
		limit = maxArgs
	}
	if i >= limit {
		return bad(), refuse(fmt.Sprintf("%s has no arg%d: %s", e.what, i, countArgs(limit)))
	}
	t := rawType()
	if raw {
		t.display = schemas.DisplayHex // addresses at some sites, counts at others
	}
	for k := range e.args {
		if a := &e.args[k]; a.index == i && a.mem == nil {
			if a.refused != "" {
				return bad(), refuse(fmt.Sprintf("arg%d of %s (%s) cannot be read: %s", i, e.what, a.name, a.refused))
			}
			if !raw {
				t = a.t
			}
		}
	}
	return e.argAt(at, i, t), nil
}

func countArgs(n int) string {
	switch n {
	case 0:
		return "it takes no arguments"
	case 1:
		return "it has arg0 only"
	}
	return fmt.Sprintf("it has arg0 to arg%d", n-1)
}

// rawType is the type of a register of which nothing is known.
func rawType() ctype { return intType(8, true) }

func (e *env) argAt(at expr.Node, i int, t ctype) value {
	if e.registers != nil && i < len(e.registers) {
		x := node(at, OpOperand, t.plan())
		x.Operand = &Operand{Size: 8, Signed: t.signed, Base: e.registers[i]}
		if t.size < 8 {
			x.Operand.Size = t.size
		}
		return value{t: t, x: x}
	}
	x := node(at, OpArg, t.plan())
	x.Int = int64(i)
	return value{t: t, x: narrowBool(at, x, t)}
}

// narrowBool takes the byte of a C bool out of a register, whose other bytes are anything.
func narrowBool(at expr.Node, x *Expr, t ctype) *Expr {
	if t.class != classBool {
		return x
	}
	x.Type = Type{Kind: KindInt, Size: max(t.size, 1)}
	return node(at, OpCast, boolType().plan(), x)
}

func (e *env) operandArg(at expr.Node, i int) (value, *refusal) {
	if i >= len(e.operands) {
		return bad(), refuse(fmt.Sprintf("%s has no arg%d: %s", e.what, i, countArgs(len(e.operands))))
	}
	o := e.operands[i].Operand
	if o == nil {
		return bad(), refuse(fmt.Sprintf("arg%d of %s cannot be read: %v", i, e.what, e.operands[i].err))
	}
	t := intType(o.Size, o.Signed)
	x := node(at, OpOperand, t.plan())
	x.Operand = o
	return value{t: t, x: x}, nil
}

// result returns the return value.
func (e *env) result(at expr.Node) (value, *refusal) {
	if e.noRet != nil {
		return bad(), e.noRet
	}
	t := rawType()
	if e.ret != nil {
		t = *e.ret
	}
	if e.errno && (t.class == classInt && t.signed || t.class == classPointer) {
		t.display = schemas.DisplayErrno
		if t.class == classPointer {
			t.display = schemas.DisplayPointer
		}
	}
	x := node(at, OpRet, t.plan())
	return value{t: t, x: narrowBool(at, x, t)}, nil
}

// named returns the argument of a name.
func (e *env) named(name string) *argument {
	for i := range e.args {
		if e.args[i].name == name {
			return &e.args[i]
		}
	}
	return nil
}

func (e *env) argNames() []string {
	names := make([]string, 0, len(e.args))
	for _, a := range e.args {
		if a.name != "" && a.refused == "" {
			names = append(names, a.name)
		}
	}
	return names
}

// value returns a named argument's value.
func (a *argument) value(e *env, at expr.Node) value {
	switch {
	case a.dynamic != nil:
		return value{t: a.t, x: placed(at, a.dynamic)}
	case a.mem != nil:
		return value{t: a.t, mem: a.mem}
	}
	return e.argAt(at, a.index, a.t)
}

// placed copies an expression and gives it a place in the text.
func placed(at expr.Node, x *Expr) *Expr {
	if x == nil {
		return nil
	}
	c := *x
	c.Line, c.Col = at.Pos().Line, at.Pos().Col
	c.X, c.Y, c.Z = placed(at, x.X), placed(at, x.Y), placed(at, x.Z)
	return &c
}

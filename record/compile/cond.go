package compile

import (
	"encoding/binary"
	"math"

	"github.com/cilium/ebpf/asm"

	"probetape/record/resolve"
)

// cond jumps to yes or no as a condition says, or to null where it cannot be known. A null makes the whole unknown, unless the other
// side of && or || decides alone.
func (f *fn) cond(x *resolve.Expr, yes, no, null string) {
	f.at(x, f.name)
	switch x.Op {
	case resolve.OpNot:
		f.cond(x.X, no, yes, null)
	case resolve.OpLand:
		f.junction(x, no, yes, no, null)
	case resolve.OpLor:
		f.junction(x, yes, yes, no, null)
	case resolve.OpEq, resolve.OpNe, resolve.OpLt, resolve.OpLe, resolve.OpGt, resolve.OpGe:
		f.compare(x, yes, no, null)
	case resolve.OpMatch:
		f.match(x, yes, no, null)
	case resolve.OpConst:
		if x.Int != 0 {
			f.goTo(yes)
		} else {
			f.goTo(no)
		}
	default:
		f.value(x, null)
		f.jump(asm.JNE, asm.R0, 0, yes)
		f.goTo(no)
	}
}

// junction evaluates X and, unless X alone leads to decided, Y.
func (f *fn) junction(x *resolve.Expr, decided, yes, no, null string) {
	second := f.label()
	first := func(xNull string) {
		if decided == no {
			f.cond(x.X, second, no, xNull)
		} else {
			f.cond(x.X, yes, second, xNull)
		}
	}
	if !nullable(x.X) {
		first(null)
		f.place_(second)
		f.cond(x.Y, yes, no, null)
		return
	}
	// X unknown: Y may still decide; if it does not, the whole is unknown.
	unknown, undecided := f.label(), f.label()
	flag := f.push(8)
	f.emit(storeWord(flag, 0))
	first(unknown)
	f.place_(unknown)
	f.emit(storeWord(flag, 1))
	f.place_(second)
	if decided == no {
		f.cond(x.Y, undecided, no, null)
	} else {
		f.cond(x.Y, yes, undecided, null)
	}
	f.place_(undecided)
	f.emit(asm.LoadMem(asm.R0, asm.RFP, flag, asm.DWord))
	f.jump(asm.JNE, asm.R0, 0, null)
	if decided == no {
		f.goTo(yes)
	} else {
		f.goTo(no)
	}
	f.pop(8)
}

// nullable reports whether an expression may be impossible to read.
func nullable(x *resolve.Expr) bool {
	if x == nil {
		return false
	}
	switch x.Op {
	case resolve.OpLoad, resolve.OpStr, resolve.OpBuf, resolve.OpDiv, resolve.OpMod, resolve.OpKstack, resolve.OpUstack, resolve.OpOperand:
		return true
	case resolve.OpArg:
		return x.Int >= int64(len(argRegs))
	}
	return nullable(x.X) || nullable(x.Y) || nullable(x.Z)
}

var signedJumps = [...]asm.JumpOp{
	resolve.OpEq: asm.JEq, resolve.OpNe: asm.JNE, resolve.OpLt: asm.JSLT, resolve.OpLe: asm.JSLE, resolve.OpGt: asm.JSGT, resolve.OpGe: asm.JSGE,
}

var unsignedJumps = [...]asm.JumpOp{
	resolve.OpEq: asm.JEq, resolve.OpNe: asm.JNE, resolve.OpLt: asm.JLT, resolve.OpLe: asm.JLE, resolve.OpGt: asm.JGT, resolve.OpGe: asm.JGE,
}

func (f *fn) compare(x *resolve.Expr, yes, no, null string) {
	if isText(x.X) {
		if x.Op == resolve.OpNe {
			yes, no = no, yes
		}
		f.equalText(x, yes, no, null)
		return
	}
	op := unsignedJumps[x.Op]
	if x.X.Type.Signed {
		op = signedJumps[x.Op]
	}
	if y := x.Y; y.Op == resolve.OpConst && y.Int >= math.MinInt32 && y.Int <= math.MaxInt32 {
		f.value(x.X, null)
		f.jump(op, asm.R0, int32(y.Int), yes)
	} else {
		f.operands(x, null)
		f.jumpReg(op, asm.R0, asm.R1, yes)
	}
	f.goTo(no)
}

func isText(x *resolve.Expr) bool {
	return x.Type.Kind == resolve.KindString || x.Type.Kind == resolve.KindBuffer
}

// maxLiteral is the longest text that a filter compares with: the text read is held on the stack.
const maxLiteral = 118

// equalText compares a text with a literal: one byte more is read than the literal has, so that a longer text differs.
func (f *fn) equalText(x *resolve.Expr, yes, no, null string) {
	text, literal := x.X, x.Y
	if text.Op == resolve.OpText {
		text, literal = literal, text
	}
	if literal.Op != resolve.OpText || text.Op == resolve.OpText {
		f.fail("compiling %s: at %d:%d: a text is compared with a literal only", f.name, x.Line, x.Col)
		return
	}
	if len(literal.Text) > maxLiteral {
		f.fail("compiling %s: at %d:%d: a filter compares with at most %d bytes of text", f.name, x.Line, x.Col, maxLiteral)
		return
	}
	want := append([]byte(literal.Text), 0)
	size := (len(want) + 1 + 7) &^ 7
	slot := f.push(size)
	if f.fetch(text, slot, size, len(want)+1, len(literal.Text), no, null) {
		want = append(want, make([]byte, size-len(want))...)
		for i := 0; i < size; i += 8 {
			f.emit(
				asm.LoadMem(asm.R0, asm.RFP, slot+int16(i), asm.DWord),
				asm.LoadImm(asm.R1, int64(binary.LittleEndian.Uint64(want[i:])), asm.DWord),
			)
			f.jumpReg(asm.JNE, asm.R0, asm.R1, no)
		}
		f.goTo(yes)
	}
	f.pop(size)
}

// fetch reads a text to the stack, at most n bytes with its NUL, padded with zeros; it jumps to differs if its length is not length.
// It reports whether the bytes are left to compare.
func (f *fn) fetch(text *resolve.Expr, slot int16, size, n, length int, differs, null string) bool {
	switch text.Op {
	case resolve.OpComm:
		if length > 15 {
			f.goTo(differs)
			return false
		}
		n = 16
	case resolve.OpStr:
		f.value(text.X, null)
		f.emit(asm.Mov.Reg(asm.R3, asm.R0))
	default:
		f.fail("compiling %s: at %d:%d: operation %d gives no text to compare", f.name, text.Line, text.Col, text.Op)
		return false
	}
	if text.Op == resolve.OpComm {
		// Some kernels (6.1) leave what is behind the name's NUL as it was.
		comm := f.push(16)
		f.emit(storeWord(comm, 0), storeWord(comm+8, 0))
		f.emit(asm.Mov.Reg(asm.R1, asm.RFP), asm.Add.Imm(asm.R1, int32(comm)), asm.Mov.Imm(asm.R2, 16), asm.FnGetCurrentComm.Call())
		f.emit(asm.LoadMem(asm.R0, asm.RFP, comm, asm.DWord), asm.StoreMem(asm.RFP, slot, asm.R0, asm.DWord))
		if size > 8 {
			f.emit(asm.LoadMem(asm.R0, asm.RFP, comm+8, asm.DWord), asm.StoreMem(asm.RFP, slot+8, asm.R0, asm.DWord))
		}
		for i := 16; i < size; i += 8 {
			f.emit(storeWord(slot+int16(i), 0))
		}
		f.pop(16)
		return true
	}
	for i := 0; i < size; i += 8 {
		f.emit(storeWord(slot+int16(i), 0))
	}
	f.emit(asm.Mov.Reg(asm.R1, asm.RFP), asm.Add.Imm(asm.R1, int32(slot)), asm.Mov.Imm(asm.R2, int32(n)))
	f.callReadStr(memoryOf(text))
	f.jump(asm.JSLE, asm.R0, 0, null)
	f.jump(asm.JNE, asm.R0, int32(length+1), differs)
	return true
}

// match compares a text with a pattern of * and ?.
func (f *fn) match(x *resolve.Expr, yes, no, null string) {
	f.fail("compiling %s: at %d:%d: patterns are not compiled into filters yet", f.name, x.Line, x.Col)
}

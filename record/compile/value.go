package compile

import (
	"math"
	"unsafe"

	"github.com/cilium/ebpf/asm"

	"probetape/bpf"
	"probetape/record/resolve"
	"probetape/schemas"
)

// Offsets in the environment and in a call that generated functions read.
const (
	envTime     = int16(unsafe.Offsetof(bpf.Env{}.Time))
	envTask     = int16(unsafe.Offsetof(bpf.Env{}.PIDTGID))
	envRet      = int16(unsafe.Offsetof(bpf.Env{}.Ret))
	envDuration = int16(unsafe.Offsetof(bpf.Env{}.Duration))
	callArgs    = int16(unsafe.Offsetof(bpf.Call{}.Args))
)

// A place is where expressions are evaluated.
type place struct {
	kind     schemas.ProbeKind
	exit     bool // a call's return
	args     argSource
	argCount int // fexit: argument slots of the function, behind which the result is
}

// An argSource is where numbered arguments are.
type argSource uint8

const (
	argsNone       argSource = iota
	argsCall                 // saved at the call's entry
	argsContext              // the words of a raw tracepoint's context
	argsTrampoline           // the words of the context of fentry and fexit
	argsRegisters            // the registers, and the stack
)

// fn generates one function.
type fn struct {
	*emitter
	place place
}

// value leaves an integer or boolean in R0, extended to 64 bits as its type says. Where it cannot be read it jumps to null.
func (f *fn) value(x *resolve.Expr, null string) {
	f.at(x, f.name)
	switch x.Op {
	case resolve.OpConst:
		f.constant(asm.R0, x.Int)
	case resolve.OpArg:
		f.arg(int(x.Int), null)
		f.extend(x.Type)
	case resolve.OpRet:
		f.ret(null)
		f.extend(x.Type)
	case resolve.OpDuration:
		f.emit(asm.LoadMem(asm.R0, regEnv, envDuration, asm.DWord))
	case resolve.OpCtx:
		f.ctx(x)
	case resolve.OpCtxAddr:
		f.emit(asm.Mov.Reg(asm.R0, regCtx), asm.Add.Imm(asm.R0, int32(x.Int)))
	case resolve.OpDataLoc:
		f.emit(
			asm.LoadMem(asm.R1, regCtx, int16(x.Int), asm.Word),
			asm.And.Imm(asm.R1, 0xffff),
			asm.Mov.Reg(asm.R0, regCtx),
			asm.Add.Reg(asm.R0, asm.R1),
		)
	case resolve.OpDataLen:
		f.emit(asm.LoadMem(asm.R0, regCtx, int16(x.Int), asm.Word), asm.RSh.Imm(asm.R0, 16))
	case resolve.OpPID, resolve.OpTID:
		f.emit(asm.LoadMem(asm.R0, regEnv, envTask, asm.DWord))
		if x.Op == resolve.OpPID {
			f.emit(asm.RSh.Imm(asm.R0, 32))
		} else {
			f.emit(asm.Mov.Reg32(asm.R0, asm.R0))
		}
	case resolve.OpUID:
		f.emit(asm.FnGetCurrentUidGid.Call(), asm.Mov.Reg32(asm.R0, asm.R0))
	case resolve.OpGID:
		f.emit(asm.FnGetCurrentUidGid.Call(), asm.RSh.Imm(asm.R0, 32))
	case resolve.OpCPU:
		f.emit(asm.FnGetSmpProcessorId.Call(), asm.Mov.Reg32(asm.R0, asm.R0))
	case resolve.OpCgroup:
		f.emit(asm.FnGetCurrentCgroupId.Call())
	case resolve.OpNsecs:
		if f.place.exit {
			f.emit(asm.FnKtimeGetBootNs.Call())
		} else {
			f.emit(asm.LoadMem(asm.R0, regEnv, envTime, asm.DWord))
		}
	case resolve.OpKstack, resolve.OpUstack:
		f.stack(x, null)
	case resolve.OpLoad:
		f.load(x, null)
	case resolve.OpCast:
		f.value(x.X, null)
		if x.Type.Kind == resolve.KindBool {
			f.truth()
			return
		}
		f.extend(x.Type)
	case resolve.OpNeg:
		f.value(x.X, null)
		f.emit(asm.Neg.Imm(asm.R0, 0))
		f.extend(x.Type)
	case resolve.OpCompl:
		f.value(x.X, null)
		f.emit(asm.Xor.Imm(asm.R0, -1))
		f.extend(x.Type)
	case resolve.OpAdd, resolve.OpSub, resolve.OpMul, resolve.OpDiv, resolve.OpMod, resolve.OpShl, resolve.OpShr,
		resolve.OpAnd, resolve.OpOr, resolve.OpXor:
		f.arith(x, null)
	case resolve.OpNot, resolve.OpEq, resolve.OpNe, resolve.OpLt, resolve.OpLe, resolve.OpGt, resolve.OpGe, resolve.OpLand, resolve.OpLor,
		resolve.OpMatch:
		f.boolean(x, null)
	case resolve.OpCond:
		yes, no, done := f.label(), f.label(), f.label()
		f.cond(x.X, yes, no, null)
		f.place_(yes)
		f.value(x.Y, null)
		f.goTo(done)
		f.place_(no)
		f.value(x.Z, null)
		f.place_(done)
		f.extend(x.Type)
	case resolve.OpOperand:
		f.operand(x, null)
	default:
		f.fail("compiling %s: operation %d has no integer value", f.name, x.Op)
	}
}

func (f *fn) place_(label string) { f.emitter.place(label) }

func (f *fn) constant(r asm.Register, v int64) {
	if v >= math.MinInt32 && v <= math.MaxInt32 {
		f.emit(asm.Mov.Imm(r, int32(v)))
		return
	}
	f.emit(asm.LoadImm(r, v, asm.DWord))
}

// extend brings R0 to 64 bits from the width of a type. Values of 8 bytes stay: they may be pointers, which allow no arithmetic.
func (f *fn) extend(t resolve.Type) {
	if t.Kind == resolve.KindInt {
		f.extendTo(t.Size, t.Signed)
	}
}

func (f *fn) extendTo(size int, signed bool) {
	bits := int32(64 - 8*size)
	switch {
	case bits <= 0 || bits >= 64:
	case size == 4 && !signed:
		f.emit(asm.Mov.Reg32(asm.R0, asm.R0))
	case !signed:
		f.emit(asm.And.Imm(asm.R0, 1<<(8*size)-1))
	default:
		f.emit(asm.LSh.Imm(asm.R0, bits), asm.ArSh.Imm(asm.R0, bits))
	}
}

// truth turns R0 into 0 or 1.
func (f *fn) truth() {
	done := f.label()
	f.jump(asm.JEq, asm.R0, 0, done)
	f.emit(asm.Mov.Imm(asm.R0, 1))
	f.place_(done)
}

func sizeOf(bytes int) asm.Size {
	switch bytes {
	case 1:
		return asm.Byte
	case 2:
		return asm.Half
	case 4:
		return asm.Word
	}
	return asm.DWord
}

// ctx loads from a tracepoint's record.
func (f *fn) ctx(x *resolve.Expr) {
	size := x.Size
	if size == 0 {
		size = x.Type.Size
	}
	f.emit(asm.LoadMem(asm.R0, regCtx, int16(x.Int), sizeOf(size)))
	f.bits(x, size)
}

// bits takes a bit-field out of R0, or extends what was loaded.
func (f *fn) bits(x *resolve.Expr, size int) {
	if x.BitSize <= 0 {
		if x.Type.Kind == resolve.KindBool {
			f.truth()
			return
		}
		f.extendTo(size, x.Type.Signed)
		return
	}
	f.emit(asm.LSh.Imm(asm.R0, int32(64-x.BitOff-x.BitSize)))
	if x.Type.Signed {
		f.emit(asm.ArSh.Imm(asm.R0, int32(64-x.BitSize)))
	} else {
		f.emit(asm.RSh.Imm(asm.R0, int32(64-x.BitSize)))
	}
}

// load reads memory at an address that may not be there.
func (f *fn) load(x *resolve.Expr, null string) {
	f.value(x.X, null)
	if x.Int != 0 {
		f.addConst(asm.R0, x.Int)
	}
	f.read(x.Size, memoryOf(x), null)
	f.bits(x, x.Size)
}

func (f *fn) addConst(r asm.Register, v int64) {
	if v >= math.MinInt32 && v <= math.MaxInt32 {
		f.emit(asm.Add.Imm(r, int32(v)))
		return
	}
	f.emit(asm.LoadImm(asm.R1, v, asm.DWord), asm.Add.Reg(r, asm.R1))
}

// read replaces the address in R0 by the size bytes there.
func (f *fn) read(size int, of memory, null string) {
	if size != 1 && size != 2 && size != 4 && size != 8 {
		f.fail("compiling %s: cannot load %d bytes", f.name, size)
		return
	}
	slot := f.push(8)
	f.emit(
		asm.Mov.Reg(asm.R3, asm.R0),
		asm.Mov.Reg(asm.R1, asm.RFP), asm.Add.Imm(asm.R1, int32(slot)),
		asm.Mov.Imm(asm.R2, int32(size)),
	)
	f.callRead(of)
	f.jump(asm.JNE, asm.R0, 0, null)
	f.emit(asm.LoadMem(asm.R0, asm.RFP, slot, sizeOf(size)))
	f.pop(8)
}

// A memory is whose memory an address is of.
type memory uint8

const (
	memoryKernel memory = iota
	memoryUser
	memoryEither // the kernel's addresses have the top bit set
)

// memoryOf returns whose memory an expression reads.
func memoryOf(x *resolve.Expr) memory {
	switch {
	case x.User:
		return memoryUser
	case x.Either:
		return memoryEither
	}
	return memoryKernel
}

func memoryOfKind(k schemas.ProbeKind) memory {
	if k.User() {
		return memoryUser
	}
	return memoryKernel
}

// call calls the reading helper for the address in R3.
func (f *fn) call(of memory, user, kernel asm.BuiltinFunc) {
	switch of {
	case memoryUser:
		f.emit(user.Call())
	case memoryKernel:
		f.emit(kernel.Call())
	default:
		high, done := f.label(), f.label()
		f.jump(asm.JSLT, asm.R3, 0, high)
		f.emit(user.Call())
		f.goTo(done)
		f.place_(high)
		f.emit(kernel.Call())
		f.place_(done)
	}
}

// callRead calls bpf_probe_read, callReadStr bpf_probe_read_str.
func (f *fn) callRead(of memory)    { f.call(of, asm.FnProbeReadUser, asm.FnProbeReadKernel) }
func (f *fn) callReadStr(of memory) { f.call(of, asm.FnProbeReadUserStr, asm.FnProbeReadKernelStr) }

// stack takes a stack's id. The map keeps frames by the stack's hash, so equal stacks are kept once; whole stacks are compared, so that no
// two share an id. A stack whose place is taken by another is null.
func (f *fn) stack(x *resolve.Expr, null string) {
	name, flags := MapKstacks, int32(0)
	if x.Op == resolve.OpUstack {
		name, flags = MapUstacks, flagUserStack
	}
	f.emit(
		asm.Mov.Reg(asm.R1, regCtx),
		asm.LoadMapPtr(asm.R2, 0).WithReference(name),
		asm.Mov.Imm(asm.R3, flags),
		asm.FnGetStackid.Call(),
	)
	f.jump(asm.JSLT, asm.R0, 0, null)
	f.emit(asm.Mov.Reg32(asm.R0, asm.R0))
	if x.Op == resolve.OpUstack {
		f.emit(asm.LoadImm(asm.R1, UserStack, asm.DWord), asm.Or.Reg(asm.R0, asm.R1))
	}
}

// flagUserStack is BPF_F_USER_STACK of bpf_get_stackid.
const flagUserStack = 1 << 8

var arithOps = [...]asm.ALUOp{
	resolve.OpAdd: asm.Add, resolve.OpSub: asm.Sub, resolve.OpMul: asm.Mul, resolve.OpAnd: asm.And, resolve.OpOr: asm.Or, resolve.OpXor: asm.Xor,
	resolve.OpShl: asm.LSh, resolve.OpShr: asm.RSh, resolve.OpDiv: asm.Div, resolve.OpMod: asm.Mod,
}

// operands leaves X in R0 and Y in R1.
func (f *fn) operands(x *resolve.Expr, null string) {
	f.value(x.X, null)
	if x.Y.Op == resolve.OpConst {
		f.constant(asm.R1, x.Y.Int)
		return
	}
	slot := f.save()
	f.value(x.Y, null)
	f.emit(asm.Mov.Reg(asm.R1, asm.R0), asm.LoadMem(asm.R0, asm.RFP, slot, asm.DWord))
	f.pop(8)
}

func (f *fn) arith(x *resolve.Expr, null string) {
	f.operands(x, null)
	f.at(x, f.name)
	switch x.Op {
	case resolve.OpDiv, resolve.OpMod:
		f.jump(asm.JEq, asm.R1, 0, null)
		if x.Type.Signed {
			f.signedDiv(x.Op)
		} else {
			f.emit(arithOps[x.Op].Reg(asm.R0, asm.R1))
		}
	case resolve.OpShl, resolve.OpShr:
		// As the machine does it: the count is taken modulo the width of the type.
		width := int32(64)
		if x.Type.Size > 0 {
			width = int32(8 * x.Type.Size)
		}
		f.emit(asm.And.Imm(asm.R1, width-1))
		op := arithOps[x.Op]
		if x.Op == resolve.OpShr && x.Type.Signed {
			op = asm.ArSh
		}
		f.emit(op.Reg(asm.R0, asm.R1))
	default:
		f.emit(arithOps[x.Op].Reg(asm.R0, asm.R1))
	}
	f.extend(x.Type)
}

// signedDiv divides R0 by R1 as C does, towards zero: BPF divides unsigned numbers only.
func (f *fn) signedDiv(op resolve.Op) {
	f.emit(asm.Mov.Reg(asm.R2, asm.R0), asm.Mov.Reg(asm.R3, asm.R1))
	xPos, yPos, done := f.label(), f.label(), f.label()
	f.jump(asm.JSGE, asm.R0, 0, xPos)
	f.emit(asm.Neg.Imm(asm.R0, 0))
	f.place_(xPos)
	f.jump(asm.JSGE, asm.R1, 0, yPos)
	f.emit(asm.Neg.Imm(asm.R1, 0))
	f.place_(yPos)
	f.emit(arithOps[op].Reg(asm.R0, asm.R1))
	if op == resolve.OpDiv {
		f.emit(asm.Xor.Reg(asm.R2, asm.R3)) // the quotient is negative where the signs differ, the remainder has X's sign
	}
	f.jump(asm.JSGE, asm.R2, 0, done)
	f.emit(asm.Neg.Imm(asm.R0, 0))
	f.place_(done)
}

// boolean leaves a condition in R0 as 0 or 1.
func (f *fn) boolean(x *resolve.Expr, null string) {
	yes, no, done := f.label(), f.label(), f.label()
	f.cond(x, yes, no, null)
	f.place_(no)
	f.emit(asm.Mov.Imm(asm.R0, 0))
	f.goTo(done)
	f.place_(yes)
	f.emit(asm.Mov.Imm(asm.R0, 1))
	f.place_(done)
}

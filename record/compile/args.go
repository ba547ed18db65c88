package compile

import (
	"github.com/cilium/ebpf/asm"

	"probetape/record/resolve"
	"probetape/schemas"
)

// Offsets of registers in struct pt_regs of x86-64, which is the layout that ptrace hands out and does not change.
var regOffsets = map[string]int16{
	"r15": 0, "r14": 8, "r13": 16, "r12": 24, "rbp": 32, "rbx": 40, "r11": 48, "r10": 56, "r9": 64, "r8": 72, "rax": 80, "rcx": 88,
	"rdx": 96, "rsi": 104, "rdi": 112, "rip": 128, "rsp": 152,
}

// Registers of the first six arguments of a function in the System V calling convention.
var argRegs = [...]string{"rdi", "rsi", "rdx", "rcx", "r8", "r9"}

// maxArgs is how many arguments are counted: arg0 to arg9.
const maxArgs = 10

// arg leaves an argument in R0.
func (f *fn) arg(i int, null string) {
	if i < 0 || i >= maxArgs {
		f.fail("compiling %s: there is no argument %d", f.name, i)
		return
	}
	switch f.place.args {
	case argsCall:
		f.emit(asm.LoadMem(asm.R0, regCall, callArgs+int16(8*i), asm.DWord))
	case argsContext:
		f.emit(asm.LoadMem(asm.R0, regCtx, int16(8*i), asm.DWord))
	case argsTrampoline:
		f.trampoline(i, null)
	case argsRegisters:
		if i < len(argRegs) {
			f.emit(asm.LoadMem(asm.R0, regCtx, regOffsets[argRegs[i]], asm.DWord))
			return
		}
		// At the function's first instruction the stack pointer is at the return address, above it the arguments.
		f.emit(asm.LoadMem(asm.R0, regCtx, regOffsets["rsp"], asm.DWord), asm.Add.Imm(asm.R0, int32(8*(i-len(argRegs)+1))))
		f.read(8, memoryOfKind(f.place.kind), null)
	default:
		f.fail("compiling %s: a %s has no numbered arguments", f.name, f.place.kind)
	}
}

// argsOf says where the arguments of a point's kind are.
func argsOf(k schemas.ProbeKind) argSource {
	switch k {
	case schemas.KindRawTracepoint:
		return argsContext
	case schemas.KindFentry, schemas.KindFexit:
		return argsTrampoline
	case schemas.KindKprobe, schemas.KindUprobe, schemas.KindUSDT:
		return argsRegisters
	}
	return argsNone
}

// trampoline leaves a word of the context of fentry and fexit in R0. It is read as memory, not loaded: the verifier would make a pointer
// of it, or refuse it, as the function's declaration says.
func (f *fn) trampoline(i int, null string) {
	f.emit(asm.Mov.Reg(asm.R0, regCtx), asm.Add.Imm(asm.R0, int32(8*i)))
	f.read(8, memoryKernel, null)
}

// ret leaves the return value in R0.
func (f *fn) ret(null string) {
	switch {
	case f.place.exit:
		f.emit(asm.LoadMem(asm.R0, regEnv, envRet, asm.DWord))
	case f.place.kind == schemas.KindKretprobe || f.place.kind == schemas.KindUretprobe:
		f.emit(asm.LoadMem(asm.R0, regCtx, regOffsets["rax"], asm.DWord))
	case f.place.kind == schemas.KindFexit && f.place.argCount >= 0:
		f.trampoline(f.place.argCount, null)
	default:
		f.fail("compiling %s: a %s has no return value here", f.name, f.place.kind)
	}
}

// operand leaves the value of a USDT argument in R0.
func (f *fn) operand(x *resolve.Expr, null string) {
	o := x.Operand
	if o == nil {
		f.fail("compiling %s: a USDT argument without a place", f.name)
		return
	}
	switch {
	case o.Const:
		f.constant(asm.R0, o.Value)
	case o.Mem:
		f.constant(asm.R0, o.Value)
		f.register(asm.R1, o.Base)
		f.emit(asm.Add.Reg(asm.R0, asm.R1))
		if o.Index != "" {
			f.register(asm.R1, o.Index)
			if o.Scale > 1 {
				f.emit(asm.Mul.Imm(asm.R1, int32(o.Scale)))
			}
			f.emit(asm.Add.Reg(asm.R0, asm.R1))
		}
		f.read(o.Size, memoryUser, null)
	default:
		f.register(asm.R0, o.Base)
		if o.RegOff > 0 {
			f.emit(asm.RSh.Imm(asm.R0, int32(8*o.RegOff)))
		}
	}
	f.extendTo(o.Size, o.Signed)
}

func (f *fn) register(r asm.Register, name string) {
	off, ok := regOffsets[name]
	if !ok {
		f.fail("compiling %s: unknown register %q", f.name, name)
		return
	}
	f.emit(asm.LoadMem(r, regCtx, off, asm.DWord))
}

// usedArgs returns the set of numbered arguments that expressions use, bit i for argument i.
func usedArgs(exprs ...*resolve.Expr) uint32 {
	var used uint32
	for _, x := range exprs {
		if x == nil {
			continue
		}
		if x.Op == resolve.OpArg && x.Int >= 0 && x.Int < maxArgs {
			used |= 1 << x.Int
		}
		used |= usedArgs(x.X, x.Y, x.Z)
	}
	return used
}

package compile

import (
	"fmt"
	"math"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"

	"probetape/bpf"
)

// params are the numbers that a program's copy is made with.
type params map[bpf.Param]int64

func (p params) with(add params) params {
	out := make(params, len(p)+len(add))
	for k, v := range p {
		out[k] = v
	}
	for k, v := range add {
		out[k] = v
	}
	return out
}

// A body is a function that the compiler wrote.
type body struct {
	name  string
	insns asm.Instructions
}

// instance copies a skeleton under a new name, with parameters filled in, functions replaced and maps renamed, and adds it to the
// result.
func (c *compiler) instance(skeleton, name string, p params, bodies []body, rename map[string]string) (*ebpf.ProgramSpec, error) {
	from := c.from.Programs[skeleton]
	if from == nil {
		return nil, fmt.Errorf("making program %s: the object has no skeleton %s", name, skeleton)
	}
	if c.out.Spec.Programs[name] != nil {
		return nil, fmt.Errorf("making program %s: it is there already", name)
	}
	prog := from.Copy()
	prog.Name = name
	for _, b := range bodies {
		if err := replaceFunc(prog, b.name, b.insns); err != nil {
			return nil, err
		}
	}
	for i := range prog.Instructions {
		in := &prog.Instructions[i]
		if err := p.fill(in); err != nil {
			return nil, fmt.Errorf("making program %s: %w", name, err)
		}
		if !c.cfg.Features.Cmpxchg && isFetchAtomic(*in) {
			// Never reached: the branch asks the parameter. But such kernels refuse the instruction itself.
			*in = asm.Mov.Imm(asm.R0, 0).WithMetadata(in.Metadata)
		}
		if in.IsKfuncCall() && !c.hasKfunc(in.Reference()) {
			// Never reached. It loses what it says of the function, which the library would look for.
			*in = asm.Mov.Imm(asm.R0, 0).WithSymbol(in.Symbol()).WithSource(in.Source())
		}
		if in.IsLoadFromMap() {
			switch to, ok := rename[in.Reference()]; {
			case ok:
				*in = in.WithReference(to)
			case perStatement[in.Reference()]:
				// A map that this program has no use for: never reached either.
				*in = asm.LoadImm(in.Dst, 0, asm.DWord).WithSymbol(in.Symbol()).WithSource(in.Source())
			}
		}
	}
	c.out.Spec.Programs[name] = prog
	return prog, nil
}

// perStatement are the maps of which each statement has its own, or none.
var perStatement = map[string]bool{
	bpf.MapAddresses: true, bpf.MapFrames: true, bpf.MapFrameBlank: true, bpf.MapGoneAgain: true, bpf.MapInFlight: true, bpf.MapBlank: true,
	bpf.MapSyscallSites: true, bpf.MapSyscallStmts: true, bpf.MapEnterProgs: true, bpf.MapExitProgs: true,
}

// ctxForm ends the names of the kfuncs whose newer form takes the context; the kernel's names do not have it.
const ctxForm = "___ctx"

// hasKfunc reports whether the kernel has a kfunc in the form that a skeleton calls it.
func (c *compiler) hasKfunc(name string) bool {
	f := c.cfg.Features
	return f.KprobeSession && f.SessionCtx == strings.HasSuffix(name, ctxForm)
}

// nameKfuncs gives the kfuncs of the newer form the kernel's names.
func (c *compiler) nameKfuncs() error {
	for _, name := range []string{"bpf_session_is_return", "bpf_session_cookie"} {
		var fn *btf.Func
		if err := c.from.Types.TypeByName(name+ctxForm, &fn); err != nil {
			return fmt.Errorf("finding kfunc %s: %w", name, err)
		}
		fn.Name = name
	}
	return nil
}

// fill replaces the move that a parameter left in a skeleton.
func (p params) fill(in *asm.Instruction) error {
	n := in.Constant - bpf.ParamBase
	if n < 0 || n >= int64(bpf.ParamCount) || !isMoveImm(*in) {
		return nil
	}
	v := p[bpf.Param(n)]
	if v < math.MinInt32 || v > math.MaxInt32 {
		return fmt.Errorf("parameter %d: value %d does not fit into an instruction", n, v)
	}
	in.Constant = v
	return nil
}

func isMoveImm(in asm.Instruction) bool {
	return (in.OpCode.Class() == asm.ALU64Class || in.OpCode.Class() == asm.ALUClass) && in.OpCode.ALUOp() == asm.Mov &&
		in.OpCode.Source() == asm.ImmSource
}

// isFetchAtomic reports whether an instruction is an atomic operation other than a plain addition.
func isFetchAtomic(in asm.Instruction) bool {
	if in.OpCode.Class() != asm.StXClass || in.OpCode.Mode() != asm.AtomicMode {
		return false
	}
	return in.OpCode.AtomicOp() != asm.AddAtomic
}

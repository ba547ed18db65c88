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
	if c.preempted(prog.Type, p) {
		p = p.with(params{bpf.ParamPreempt: 1})
	}
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
		if in.IsKfuncCall() && !c.calls(in.Reference(), p) {
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

// perStatement are the maps of which each statement has its own, or none, and those that some kernels need.
var perStatement = map[string]bool{
	bpf.MapAddresses: true, bpf.MapFrames: true, bpf.MapFrameBlank: true, bpf.MapGoneAgain: true, bpf.MapInFlight: true, bpf.MapBlank: true,
	bpf.MapTaskTurns: true, bpf.MapSyscallSites: true, bpf.MapSyscallStmts: true, bpf.MapEnterProgs: true, bpf.MapExitProgs: true,
}

// ctxForm ends the names of the kfuncs whose newer form takes the context; the kernel's names do not have it.
const ctxForm = "___ctx"

// calls reports whether a program calls a kfunc: whether the kernel has it, in the form in which the skeleton calls it.
func (c *compiler) calls(kfunc string, p params) bool {
	switch kfunc {
	case "bpf_preempt_disable", "bpf_preempt_enable":
		return p[bpf.ParamPreempt] != 0
	}
	return c.cfg.Features.KprobeSession && c.cfg.Features.SessionCtx == strings.HasSuffix(kfunc, ctxForm)
}

// preempted reports whether a program must ask not to be preempted: those of the kernel's kprobes and of perf tracepoints run with preemption
// off anyhow.
func (c *compiler) preempted(t ebpf.ProgramType, p params) bool {
	f := c.cfg.Features
	switch {
	case !f.NoPreempt:
		return false
	case t == ebpf.RawTracepoint:
		return f.RawPreempt && p[bpf.ParamRecord] == 0
	case t == ebpf.Kprobe:
		return p[bpf.ParamUser] != 0
	}
	return t == ebpf.Tracing
}

// TryPreempt returns a program that a kernel takes only if programs of uprobes can ask not to be preempted.
func TryPreempt() (*ebpf.CollectionSpec, error) {
	from, err := bpf.Spec()
	if err != nil {
		return nil, err
	}
	c := &compiler{cfg: Config{Features: Features{NoPreempt: true, Cmpxchg: true}}, from: from, out: &Program{Spec: &ebpf.CollectionSpec{
		Maps: map[string]*ebpf.MapSpec{}, Programs: map[string]*ebpf.ProgramSpec{}, Types: from.Types, ByteOrder: from.ByteOrder,
	}}}
	if _, err := c.instance(bpf.ProgTryPreempt, bpf.ProgTryPreempt, params{bpf.ParamUser: 1}, nil, nil); err != nil {
		return nil, err
	}
	return c.out.Spec, nil
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

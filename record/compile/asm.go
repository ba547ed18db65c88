package compile

import (
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"

	"probetape/record/resolve"
)

// Source is where in the probe text an instruction comes from.
type Source struct {
	Line, Col int
	What      string
}

// String describes the place as a comment in a program's listing.
func (s *Source) String() string { return fmt.Sprintf("%d:%d %s", s.Line, s.Col, s.What) }

// The registers of a generated function. R1 to R5 are arguments of calls, R0 results.
const (
	regCtx  = asm.R6
	regEnv  = asm.R7
	regCall = asm.R8
	regRec  = asm.R9
)

// maxFrame is the stack that a generated function may use: the programs that call it need the rest of the kernel's 512 bytes.
const maxFrame = 256

// An emitter collects the instructions of one function. A label names the next instruction; a jump to a label that the next
// instruction has is dropped.
type emitter struct {
	name   string
	out    asm.Instructions
	jumps  []jump
	labels map[string]int // to the index in out
	count  int
	depth  int // bytes of stack in use
	source *Source
	err    error
}

// A jump is an instruction whose target is a label.
type jump struct {
	index int
	label string
}

func newEmitter(name string) *emitter {
	return &emitter{name: name, labels: map[string]int{}}
}

func (e *emitter) emit(ins ...asm.Instruction) {
	for _, in := range ins {
		if e.source != nil {
			in = in.WithSource(e.source)
		}
		e.out = append(e.out, in)
	}
}

// at lays the instructions that follow to an expression of the probe text.
func (e *emitter) at(x *resolve.Expr, what string) {
	if x != nil && x.Line > 0 {
		e.source = &Source{Line: x.Line, Col: x.Col, What: what}
	}
}

func (e *emitter) label() string {
	e.count++
	return fmt.Sprintf("%s.%d", e.name, e.count)
}

func (e *emitter) place(label string) { e.labels[label] = len(e.out) }

func (e *emitter) jump(op asm.JumpOp, dst asm.Register, value int32, label string) {
	e.jumps = append(e.jumps, jump{len(e.out), label})
	e.emit(op.Imm(dst, value, label))
}

func (e *emitter) jumpReg(op asm.JumpOp, dst, src asm.Register, label string) {
	e.jumps = append(e.jumps, jump{len(e.out), label})
	e.emit(op.Reg(dst, src, label))
}

func (e *emitter) goTo(label string) {
	e.jumps = append(e.jumps, jump{len(e.out), label})
	e.emit(asm.Ja.Label(label))
}

// push reserves bytes of stack, a multiple of 8, and returns their offset from the frame pointer; pop gives them back.
func (e *emitter) push(bytes int) int16 {
	e.depth += (bytes + 7) &^ 7
	if e.depth > maxFrame && e.err == nil {
		e.err = fmt.Errorf("compiling %s: the expression needs more than %d bytes of stack", e.name, maxFrame)
	}
	return int16(-e.depth)
}

func (e *emitter) pop(bytes int) { e.depth -= (bytes + 7) &^ 7 }

// save stores R0 into a new stack slot.
func (e *emitter) save() int16 {
	slot := e.push(8)
	e.emit(asm.StoreMem(asm.RFP, slot, asm.R0, asm.DWord))
	return slot
}

func (e *emitter) fail(format string, args ...any) {
	if e.err == nil {
		e.err = fmt.Errorf(format, args...)
	}
}

// finish resolves labels: jumps over nothing go, and each target gets its label as a symbol.
func (e *emitter) finish() (asm.Instructions, error) {
	if e.err != nil {
		return nil, e.err
	}
	drop := make([]bool, len(e.out)+1)
	for again := true; again; {
		again = false
		for _, j := range e.jumps {
			if drop[j.index] || e.out[j.index].OpCode.JumpOp() != asm.Ja {
				continue
			}
			next := j.index + 1
			for next < len(e.out) && drop[next] {
				next++
			}
			if target := e.labels[j.label]; target > j.index && target <= next {
				drop[j.index], again = true, true
			}
		}
	}
	target := func(label string) int {
		i := e.labels[label]
		for drop[i] {
			i++
		}
		return i
	}
	symbols := map[int]string{}
	for _, j := range e.jumps {
		if drop[j.index] {
			continue
		}
		if _, ok := e.labels[j.label]; !ok {
			return nil, fmt.Errorf("compiling %s: no place for label %s", e.name, j.label)
		}
		t := target(j.label)
		if t >= len(e.out) {
			return nil, fmt.Errorf("compiling %s: label %s is behind the end", e.name, j.label)
		}
		if symbols[t] == "" {
			symbols[t] = j.label
		}
		e.out[j.index] = e.out[j.index].WithReference(symbols[t])
	}
	var out asm.Instructions
	for i, in := range e.out {
		if drop[i] {
			continue
		}
		if s := symbols[i]; s != "" {
			in = in.WithSymbol(s)
		}
		out = append(out, in)
	}
	return out, nil
}

// replaceFunc writes a function's new body into a program. The first instruction keeps the old one's metadata: symbol, function type and
// line, without which the kernel refuses the program's BTF.
func replaceFunc(prog *ebpf.ProgramSpec, name string, body asm.Instructions) error {
	insns := prog.Instructions
	start := -1
	for i := range insns {
		if insns[i].Symbol() == name {
			start = i
			break
		}
	}
	if start < 0 {
		return fmt.Errorf("replacing function %s: program %s does not have it", name, prog.Name)
	}
	end := start + 1
	for end < len(insns) && btf.FuncMetadata(&insns[end]) == nil {
		end++
	}
	if body[0].Symbol() != "" {
		return fmt.Errorf("replacing function %s: its first instruction is a jump's target", name)
	}
	out := make(asm.Instructions, 0, len(insns)+len(body))
	out = append(out, insns[:start]...)
	out = append(out, body[0].WithMetadata(insns[start].Metadata))
	out = append(out, body[1:]...)
	prog.Instructions = append(out, insns[end:]...)
	return nil
}

// storeWord stores a constant into 8 bytes of the stack, which asm.StoreImm refuses though the kernel has the instruction.
func storeWord(offset int16, value int32) asm.Instruction {
	return asm.Instruction{OpCode: asm.StoreImmOp(asm.DWord), Dst: asm.RFP, Offset: offset, Constant: int64(value)}
}

package resolve

import (
	"fmt"

	"github.com/cilium/ebpf/btf"
)

// argLayout says how a function's parameters are spread over its numbered arguments.
type argLayout uint8

const (
	// layoutSlots: each parameter takes as many slots of 8 bytes as it has, as the kernel hands them to BPF (fentry, raw tracepoints).
	layoutSlots argLayout = iota
	// layoutRegisters: the System V calling convention of x86-64: six integer registers, then the stack. Structs above 16 bytes are on the
	// stack, floats have registers of their own.
	layoutRegisters
)

const intRegisters = 6

// protoArguments makes the arguments of a function and says how many slots they take; -1: any number.
func protoArguments(proto *btf.FuncProto, in space, layout argLayout) ([]argument, int) {
	args := make([]argument, 0, len(proto.Params))
	slot := 0
	shifted := "" // why nothing on the stack is where it would be
	if layout == layoutRegisters && returnsInMemory(proto.Return) {
		slot = 1 // the first register holds where the result goes
	}
	for i, p := range proto.Params {
		a := argument{name: p.Name, t: typeOf(p.Type, in), index: slot}
		if a.name == "" {
			a.name = fmt.Sprintf("arg%d", i)
		}
		size, err := btf.Sizeof(p.Type)
		slots := 1
		if err == nil && size > 8 {
			slots = (size + 7) / 8
		}
		_, float := btf.As[*btf.Float](p.Type)
		switch {
		case isVoid(p.Type): // the ... of a variadic function: how many follow is not known
			return args, -1
		case float:
			a.refused = "it is a floating-point number"
			slots = 0
		case layout == layoutRegisters && a.t.class == classStruct && size > 16:
			a.refused = fmt.Sprintf("it is a %s of %d bytes, passed by value", a.t, size)
			shifted, slots = a.refused, 0
		case a.t.class == classStruct || a.t.class == classArray || a.t.class == classOther || a.t.class == classVoid:
			a.refused = fmt.Sprintf("it is a %s, passed by value", a.t)
			if a.t.class == classStruct && layout == layoutRegisters {
				// Whether its halves go into integer or float registers depends on its members.
				shifted = "a struct is passed by value before it"
			}
		case layout == layoutRegisters && shifted != "" && (slot >= intRegisters || shifted == "a struct is passed by value before it" && !allIntegers(proto, i)):
			a.refused = "where it is depends on the struct that is passed by value before it"
		case slot >= maxArgs:
			a.refused = fmt.Sprintf("it is argument %d; the first %d can be read", slot+1, maxArgs)
		}
		if a.refused != "" && slots == 0 {
			a.index = -1
		}
		args = append(args, a)
		slot += slots
	}
	return args, min(slot, maxArgs)
}

func isVoid(t btf.Type) bool {
	_, ok := btf.UnderlyingType(t).(*btf.Void)
	return ok || t == nil
}

// returnsInMemory reports whether a function's result is written to memory that its caller names in the first register.
func returnsInMemory(t btf.Type) bool {
	if t == nil {
		return false
	}
	switch btf.UnderlyingType(t).(type) {
	case *btf.Struct, *btf.Union:
		n, err := btf.Sizeof(t)
		return err == nil && n > 16
	}
	return false
}

// allIntegers reports whether the structs passed by value before parameter i hold integers and addresses only: such take integer registers.
func allIntegers(proto *btf.FuncProto, i int) bool {
	for _, p := range proto.Params[:i] {
		if u := btf.UnderlyingType(p.Type); isComposite(u) && hasFloat(u, 0) {
			return false
		}
	}
	return true
}

func hasFloat(t btf.Type, depth int) bool {
	if depth > maxAnonymous {
		return true
	}
	switch u := btf.UnderlyingType(t).(type) {
	case *btf.Float, *btf.Fwd:
		return true
	case *btf.Array:
		return hasFloat(u.Type, depth+1)
	case *btf.Struct, *btf.Union:
		for _, m := range membersOf(u) {
			if hasFloat(m.Type, depth+1) {
				return true
			}
		}
	}
	return false
}

// trampolineSlots is how many slots of 8 bytes a function's parameters take where the kernel hands them to BPF (fentry, fexit). -1: it
// cannot, since one is a struct of more than 16 bytes or their number varies.
func trampolineSlots(proto *btf.FuncProto) int {
	slots := 0
	for _, p := range proto.Params {
		size, err := btf.Sizeof(p.Type)
		if err != nil || size > 16 || isVoid(p.Type) {
			return -1
		}
		slots += max(1, (size+7)/8)
	}
	return slots
}

// protoResult is the type of a function's return value, or why there is none.
func protoResult(what string, proto *btf.FuncProto, in space) (*ctype, *refusal) {
	if isVoid(proto.Return) {
		return nil, refuse(what + " returns nothing")
	}
	t := typeOf(proto.Return, in)
	if _, float := btf.As[*btf.Float](proto.Return); float {
		return nil, refuse(fmt.Sprintf("%s returns a %s, which is in a floating-point register", what, t))
	}
	if !t.scalar() {
		return nil, refuse(fmt.Sprintf("%s returns a %s, which is in no single register", what, t))
	}
	return &t, nil
}

// errnoResult reports whether a result of -4095..-1 is an error number: signed numbers and addresses are, as the kernel's functions return them.
func errnoResult(t *ctype) bool {
	if t == nil {
		return false
	}
	return t.class == classPointer || t.class == classInt && t.signed && t.size >= 4
}

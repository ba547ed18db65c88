package resolve

import (
	"fmt"
	"strings"

	"github.com/cilium/ebpf/btf"

	"probetape/schemas"
)

// class is what can be done with a value while it is checked.
type class uint8

const (
	classBad     class = iota // in error, and reported
	classInt                  // a number
	classBool                 //
	classEnum                 // a number whose values have names
	classPointer              // an address with what is there
	classStruct               // a struct or union in memory
	classArray                // an array in memory
	classText                 // a string
	classBytes                // bytes
	classStack                // a call stack
	classVoid                 // nothing
	classOther                // what cannot be held: a float, a function
)

// space is whose memory an address is of.
type space uint8

const (
	spaceKernel space = iota
	spaceUser
	spaceEither // the address tells
)

// ctype is the type of a value in the sense of C, with what a person is to know of it.
type ctype struct {
	class   class
	size    int    // numbers and pointers: bytes; 0 else
	signed  bool   // numbers
	desc    string // as C writes it, for messages
	from    btf.Type
	target  btf.Type
	space   space // pointers: of what they point at; structs and arrays: where they are
	count   int   // arrays: elements; 0: flexible
	max     int   // texts and bytes: the most bytes
	display schemas.Display
}

// from is the type as it was found; nil: one of our own. target is, for pointers, what they point at; for structs, unions and enums the
// type itself; for arrays their element.

func (t ctype) scalar() bool {
	return t.class == classInt || t.class == classBool || t.class == classEnum || t.class == classPointer
}

// number reports whether arithmetic is possible.
func (t ctype) number() bool {
	return t.class == classInt || t.class == classBool || t.class == classEnum
}

// plan returns the type as the plan has it.
func (t ctype) plan() Type {
	switch t.class {
	case classBool:
		return Type{Kind: KindBool, Size: 1}
	case classText:
		return Type{Kind: KindString, Max: t.max}
	case classBytes:
		return Type{Kind: KindBuffer, Max: t.max}
	case classStack:
		return Type{Kind: KindStack, Size: 4}
	case classPointer, classStruct, classArray:
		return Type{Kind: KindInt, Size: 8}
	}
	return Type{Kind: KindInt, Size: t.size, Signed: t.signed}
}

func (t ctype) String() string {
	switch t.class {
	case classText:
		return "a string"
	case classBytes:
		return "bytes"
	case classStack:
		return "a call stack"
	case classBool:
		if t.desc == "" {
			return "bool"
		}
	}
	return t.desc
}

// Types of their own.

func intType(size int, signed bool) ctype {
	return ctype{class: classInt, size: size, signed: signed, desc: intName(size, signed)}
}

func intName(size int, signed bool) string {
	sign := "u"
	if signed {
		sign = "i"
	}
	return fmt.Sprintf("%s%d", sign, 8*size)
}

func boolType() ctype { return ctype{class: classBool, size: 1} }

func textType(most int) ctype { return ctype{class: classText, max: most} }

func bytesType(most int) ctype { return ctype{class: classBytes, max: most} }

// typeOf turns a type of the kernel, or of a program's debug information, into that of a value. An address in it is of space where its own tag
// does not say that it is the user's.
func typeOf(t btf.Type, in space) ctype {
	out := ctype{from: t, desc: cName(t), space: in}
	switch u := btf.UnderlyingType(t).(type) {
	case *btf.Int:
		out.size = int(u.Size)
		switch {
		case u.Size > 8 || u.Size&(u.Size-1) != 0 || u.Size == 0:
			out.class = classOther
		case u.Encoding == btf.Bool:
			out.class = classBool
		default:
			out.class, out.signed = classInt, u.Encoding == btf.Signed
			out.display = displayOf(t)
		}
	case *btf.Enum:
		out.class, out.size, out.signed, out.target = classEnum, int(u.Size), u.Signed, u
		if len(u.Values) == 0 { // a forward declaration
			out.class = classInt
		}
		if u.Size == 0 || u.Size > 8 {
			out.class = classOther
		}
	case *btf.Pointer:
		out.class, out.size, out.target, out.display = classPointer, 8, u.Target, schemas.DisplayPointer
		if userTagged(u.Target) {
			out.space = spaceUser
		}
	case *btf.Struct, *btf.Union, *btf.Fwd:
		out.class, out.target = classStruct, u
	case *btf.Array:
		out.class, out.target, out.count = classArray, u.Type, int(u.Nelems)
	case *btf.Void:
		out.class = classVoid
	default:
		out.class = classOther
	}
	return out
}

// userTagged reports whether a pointer's target carries the kernel's __user.
func userTagged(t btf.Type) bool {
	for range 32 {
		switch q := t.(type) {
		case *btf.TypeTag:
			if q.Value == "user" {
				return true
			}
			t = q.Type
		case *btf.Const:
			t = q.Type
		case *btf.Volatile:
			t = q.Type
		case *btf.Restrict:
			t = q.Type
		default:
			return false
		}
	}
	return false
}

// displayOf says how numbers of some types of the kernel are shown.
func displayOf(t btf.Type) schemas.Display {
	for range 32 {
		switch q := t.(type) {
		case *btf.Typedef:
			switch q.Name {
			case "gfp_t", "umode_t", "mode_t", "fmode_t", "blk_opf_t", "slab_flags_t", "vm_flags_t", "phys_addr_t", "dma_addr_t":
				return schemas.DisplayHex
			}
			t = q.Type
		case *btf.Const:
			t = q.Type
		case *btf.Volatile:
			t = q.Type
		default:
			return schemas.DisplayDecimal
		}
	}
	return schemas.DisplayDecimal
}

// cName writes a type as C does, without qualifiers.
func cName(t btf.Type) string {
	stars := ""
	for range 64 {
		switch u := t.(type) {
		case *btf.Const:
			t = u.Type
		case *btf.Volatile:
			t = u.Type
		case *btf.Restrict:
			t = u.Type
		case *btf.TypeTag:
			t = u.Type
		case *btf.Pointer:
			if _, ok := u.Target.(*btf.FuncProto); ok {
				return "a function pointer" + strings.ReplaceAll(stars, "*", " *")
			}
			stars += "*"
			t = u.Target
		case *btf.Array:
			if stars != "" {
				return cName(u.Type) + " (" + stars + ")[" + fmt.Sprint(u.Nelems) + "]"
			}
			return fmt.Sprintf("%s[%d]", cName(u.Type), u.Nelems)
		default:
			if stars != "" {
				stars = " " + stars
			}
			return baseName(t) + stars
		}
	}
	return "a type nested too deeply"
}

func baseName(t btf.Type) string {
	name := t.TypeName()
	kind := ""
	switch u := t.(type) {
	case *btf.Struct:
		kind = "struct"
	case *btf.Union:
		kind = "union"
	case *btf.Enum:
		kind = "enum"
	case *btf.Fwd:
		kind = u.Kind.String()
	case *btf.Void:
		return "void"
	case *btf.FuncProto, *btf.Func:
		return "a function"
	}
	switch {
	case kind == "":
		return name
	case name == "":
		return "an unnamed " + kind
	}
	return kind + " " + name
}

// isChar reports whether an array of such elements is a text.
func isChar(t btf.Type) bool {
	i, ok := btf.UnderlyingType(t).(*btf.Int)
	if !ok || i.Size != 1 || i.Encoding == btf.Bool {
		return false
	}
	// u8 and unsigned char are bytes. char is the type of that name, whatever its sign: newer kernels are built with an unsigned one.
	for range 32 {
		switch q := t.(type) {
		case *btf.Typedef:
			t = q.Type
		case *btf.Const:
			t = q.Type
		case *btf.Volatile:
			t = q.Type
		default:
			return i.Name == "char"
		}
	}
	return false
}

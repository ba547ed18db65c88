package debuginfo

import (
	"debug/dwarf"

	"github.com/cilium/ebpf/btf"
)

// place is where a type is described.
type place struct {
	info *Info
	off  dwarf.Offset
}

// converter makes BTF types of DWARF's. Structs are made empty and filled one after another, those nearest to the function first: types
// that point to each other in circles need no recursion, and a limit on their number leaves out the farthest.
type converter struct {
	types map[place]btf.Type
	queue []pending
	made  int
}

// pending is a struct or union whose members are not read yet.
type pending struct {
	place
	members *[]btf.Member
}

// Bounds of what one function's types take: a C++ program's can reach thousands of classes from any of them.
const (
	maxStructs = 2000
	maxMembers = 4096
	maxDepth   = 64 // pointers to const pointers to arrays of ...
	maxValues  = 4096
	maxArray   = 1 << 31
)

func (c *converter) fill() error {
	for len(c.queue) > 0 {
		next := c.queue[0]
		c.queue = c.queue[1:]
		if err := c.members(next); err != nil {
			return err
		}
	}
	return nil
}

// typ returns the type at an offset; what cannot be read or said in BTF is void.
func (c *converter) typ(i *Info, off dwarf.Offset, depth int) btf.Type {
	at := place{i, off}
	if t, ok := c.types[at]; ok {
		return t
	}
	void := btf.Type((*btf.Void)(nil))
	if depth > maxDepth {
		return void
	}
	e, w, err := i.entry(off)
	if err != nil {
		return void
	}
	name := i.text(e, dwarf.AttrName)
	size := uint32(number(e, dwarf.AttrByteSize))
	target := func() btf.Type {
		if info, to, ok := i.reference(e, dwarf.AttrType); ok {
			return c.typ(info, to, depth+1)
		}
		return void
	}
	// A type is known before its target is looked at, which may lead back to it.
	switch e.Tag {
	case dwarf.TagBaseType:
		return c.keep(at, base(name, size, number(e, dwarf.AttrEncoding)))
	case dwarf.TagPointerType, dwarf.TagReferenceType, dwarf.TagRvalueReferenceType:
		t := &btf.Pointer{Target: void}
		c.keep(at, t)
		t.Target = target()
		return t
	case dwarf.TagTypedef:
		t := &btf.Typedef{Name: name, Type: void}
		c.keep(at, t)
		t.Type = target()
		return t
	case dwarf.TagConstType:
		t := &btf.Const{Type: void}
		c.keep(at, t)
		t.Type = target()
		return t
	case dwarf.TagVolatileType:
		t := &btf.Volatile{Type: void}
		c.keep(at, t)
		t.Type = target()
		return t
	case dwarf.TagRestrictType:
		t := &btf.Restrict{Type: void}
		c.keep(at, t)
		t.Type = target()
		return t
	case dwarf.TagAtomicType:
		c.keep(at, void)
		return c.keep(at, target())
	case dwarf.TagArrayType:
		c.keep(at, void)
		return c.keep(at, array(target(), w, e.Children))
	case dwarf.TagStructType, dwarf.TagClassType, dwarf.TagInterfaceType:
		if c.omitted(e) {
			return c.keep(at, &btf.Fwd{Name: name, Kind: btf.FwdStruct})
		}
		t := &btf.Struct{Name: name, Size: size}
		c.queue = append(c.queue, pending{at, &t.Members})
		return c.keep(at, t)
	case dwarf.TagUnionType:
		if c.omitted(e) {
			return c.keep(at, &btf.Fwd{Name: name, Kind: btf.FwdUnion})
		}
		t := &btf.Union{Name: name, Size: size}
		c.queue = append(c.queue, pending{at, &t.Members})
		return c.keep(at, t)
	case dwarf.TagEnumerationType:
		if declaration, ok := e.Val(dwarf.AttrDeclaration).(bool); ok && declaration {
			return c.keep(at, base(name, size, 0))
		}
		return c.keep(at, i.enum(name, size, e, w))
	case dwarf.TagSubroutineType:
		return c.keep(at, &btf.FuncProto{Return: void})
	}
	return c.keep(at, void)
}

func (c *converter) keep(at place, t btf.Type) btf.Type {
	c.types[at] = t
	return t
}

// omitted reports whether a struct is only declared here, or is one too many.
func (c *converter) omitted(e *dwarf.Entry) bool {
	if declaration, ok := e.Val(dwarf.AttrDeclaration).(bool); ok && declaration {
		return true
	}
	c.made++
	return c.made > maxStructs
}

// number returns an attribute that is a constant; 0 where it is missing or negative.
func number(e *dwarf.Entry, a dwarf.Attr) int64 {
	v, ok := e.Val(a).(int64)
	if !ok || v < 0 {
		return 0
	}
	return v
}

// Encodings of base types, DWARF 5 section 7.8.
const (
	encodingBoolean      = 0x02
	encodingComplexFloat = 0x03
	encodingFloat        = 0x04
	encodingSigned       = 0x05
	encodingSignedChar   = 0x06
)

func base(name string, size uint32, encoding int64) btf.Type {
	switch encoding {
	case encodingFloat, encodingComplexFloat:
		return &btf.Float{Name: name, Size: size}
	case encodingBoolean:
		return &btf.Int{Name: name, Size: size, Encoding: btf.Bool}
	case encodingSigned, encodingSignedChar:
		return &btf.Int{Name: name, Size: size, Encoding: btf.Signed}
	}
	return &btf.Int{Name: name, Size: size, Encoding: btf.Unsigned}
}

// array makes an array type of its dimensions, which are the entry's children, the outermost first.
func array(element btf.Type, w *walker, children bool) btf.Type {
	var counts []uint32
	for children && len(counts) < maxDepth {
		e, err := w.next()
		if err != nil || e == nil || e.Tag == 0 {
			break
		}
		if e.Tag == dwarf.TagSubrangeType {
			n := number(e, dwarf.AttrCount)
			if bound, ok := e.Val(dwarf.AttrUpperBound).(int64); ok && bound >= 0 {
				n = bound + 1
			}
			counts = append(counts, uint32(min(n, maxArray)))
		}
		if w.skip(e) != nil {
			break
		}
	}
	index := &btf.Int{Name: "__ARRAY_SIZE_TYPE__", Size: 4}
	for k := len(counts) - 1; k >= 0; k-- {
		element = &btf.Array{Index: index, Type: element, Nelems: counts[k]}
	}
	return element
}

func (i *Info) enum(name string, size uint32, e *dwarf.Entry, w *walker) *btf.Enum {
	t := &btf.Enum{Name: name, Size: size}
	for e.Children && len(t.Values) < maxValues {
		v, err := w.next()
		if err != nil || v == nil || v.Tag == 0 {
			break
		}
		if value, ok := v.Val(dwarf.AttrConstValue).(int64); ok && v.Tag == dwarf.TagEnumerator {
			t.Signed = t.Signed || value < 0
			t.Values = append(t.Values, btf.EnumValue{Name: i.text(v, dwarf.AttrName), Value: uint64(value)})
		}
		if w.skip(v) != nil {
			break
		}
	}
	return t
}

// members reads the members of a struct or union, and the classes that a class is made from as members without a name.
func (c *converter) members(p pending) error {
	e, w, err := p.info.entry(p.off)
	if err != nil {
		return err
	}
	for e.Children && len(*p.members) < maxMembers {
		m, err := w.next()
		if err != nil {
			return err
		}
		if m == nil || m.Tag == 0 {
			break
		}
		if m.Tag == dwarf.TagMember || m.Tag == dwarf.TagInheritance {
			if member, ok := c.member(p.info, m); ok {
				*p.members = append(*p.members, member)
			}
		}
		if err := w.skip(m); err != nil {
			return err
		}
	}
	return nil
}

func (c *converter) member(i *Info, e *dwarf.Entry) (btf.Member, bool) {
	info, off, ok := i.reference(e, dwarf.AttrType)
	if !ok || e.Val(dwarf.AttrExternal) != nil || e.Val(dwarf.AttrDeclaration) != nil {
		return btf.Member{}, false // a static member: it is not in the object
	}
	m := btf.Member{Name: i.text(e, dwarf.AttrName), Type: c.typ(info, off, 0)}
	at, ok := memberOffset(e)
	if !ok {
		return m, false // a virtual base: its place is only known when the program runs
	}
	m.Offset = btf.Bits(at * 8)
	m.BitfieldSize = btf.Bits(number(e, dwarf.AttrBitSize))
	if bits, ok := e.Val(dwarf.AttrDataBitOffset).(int64); ok && bits >= 0 {
		m.Offset = btf.Bits(bits)
	} else if fromTop, ok := e.Val(dwarf.AttrBitOffset).(int64); ok && m.BitfieldSize > 0 {
		// DWARF 2 and 3 count from the most significant bit of the storage unit.
		storage := number(e, dwarf.AttrByteSize)
		if storage == 0 {
			if s, err := btf.Sizeof(m.Type); err == nil {
				storage = int64(s)
			}
		}
		first := at*8 + storage*8 - fromTop - int64(m.BitfieldSize)
		if first < 0 {
			return m, false
		}
		m.Offset = btf.Bits(first)
	}
	return m, true
}

// memberOffset returns a member's place in bytes: a number, or an expression that adds one to the object's address (DWARF 2).
func memberOffset(e *dwarf.Entry) (int64, bool) {
	const maxOffset = 1 << 28
	switch v := e.Val(dwarf.AttrDataMemberLoc).(type) {
	case nil:
		return 0, true // unions
	case int64:
		return v, v >= 0 && v < maxOffset
	case []byte:
		const plusUconst = 0x23
		if len(v) < 2 || v[0] != plusUconst {
			return 0, false
		}
		var n int64
		for k, b := range v[1:] {
			if k > 4 {
				return 0, false
			}
			n |= int64(b&0x7f) << (7 * k)
			if b < 0x80 {
				return n, n < maxOffset && k == len(v)-2
			}
		}
	}
	return 0, false
}

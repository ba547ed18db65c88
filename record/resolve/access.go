package resolve

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/cilium/ebpf/btf"

	"probetape/schemas/expr"
)

// member checks args.NAME, x.name and x->name.
func (s *scope) member(e *expr.Member) value {
	if id, ok := e.X.(*expr.Ident); ok && id.Name == "args" {
		return s.namedArg(e)
	}
	v := s.value(e.X)
	if v.bad() {
		return v
	}
	name := e.Name.Name
	switch {
	case v.t.class == classPointer || v.t.class == classArray && v.mem.addr != nil:
		if v.t.class == classArray {
			v = s.decay(e.X, v)
		} else {
			v = s.read(e.X, v)
		}
		target := s.env.types.complete(v.t.target)
		if !isComposite(target) {
			return s.errorf(e.Name, castMemberHint(e), "%s is a %s: what it points at has no members", show(e.X), v.t)
		}
		if !e.Arrow {
			return s.errorf(e.Name, []string{fmt.Sprintf("write %s->%s", show(e.X), name)}, "%s is a pointer (%s): its members are reached with ->", show(e.X), v.t)
		}
		return s.memberOf(e, pointee(v, v.x, s.env.types))
	case v.t.class == classStruct:
		if e.Arrow {
			return s.errorf(e.Name, []string{fmt.Sprintf("write %s.%s", show(e.X), name)}, "%s is a %s, not a pointer: its members are reached with a point", show(e.X), v.t)
		}
		return s.memberOf(e, v)
	case v.t.number():
		return s.errorf(e.Name, castMemberHint(e), "%s is a number (%s), which has no members", show(e.X), v.t)
	}
	return s.errorf(e.Name, nil, "%s is %s, which has no members", show(e.X), v.t)
}

func isComposite(t btf.Type) bool {
	switch t.(type) {
	case *btf.Struct, *btf.Union, *btf.Fwd:
		return true
	}
	return false
}

func castMemberHint(e *expr.Member) []string {
	return []string{fmt.Sprintf("say what is there with a cast: ((struct NAME *)%s)->%s", operandText(e.X), e.Name.Name)}
}

// memberOf finds a member of a struct in memory.
func (s *scope) memberOf(e *expr.Member, v value) value {
	whole := s.env.types.complete(v.t.target)
	if fwd, ok := whole.(*btf.Fwd); ok {
		return s.errorf(e.X, nil, "%s %s is not described on this host: its members are not known", fwd.Kind, fwd.Name)
	}
	name := e.Name.Name
	m, ok := findMember(whole, name)
	if !ok {
		names := memberNames(whole)
		hints := expr.Meant(name, names)
		if len(hints) == 0 {
			hints = []string{"members: " + list(names)}
		}
		return s.errorf(e.Name, hints, "%s has no member %q", v.t, name)
	}
	out, ok := v.mem.member(m, pointerSpace(v.mem.space))
	if !ok {
		return s.errorf(e.Name, nil, "the bit-field %s of %s cannot be read", name, v.t)
	}
	if out.t.class == classOther {
		return s.errorf(e.Name, nil, "%s is %s, which cannot be read", show(e), out.t)
	}
	return out
}

// pointerSpace is whose memory a pointer that was found in some memory leads to, where its type does not say it. In the user's that is the
// user's; in the kernel's it may be either, and the address tells.
func pointerSpace(in space) space {
	if in == spaceUser {
		return spaceUser
	}
	return spaceEither
}

// namedArg checks args.NAME.
func (s *scope) namedArg(e *expr.Member) value {
	env, name := s.env, e.Name.Name
	a := env.named(name)
	switch {
	case a != nil && a.refused != "":
		return s.errorf(e.Name, nil, "argument %s of %s cannot be read: %s", name, env.what, a.refused)
	case a != nil:
		return a.value(env, e)
	case env.noArgs != nil:
		return s.refused(e, env.noArgs)
	}
	names := env.argNames()
	if len(names) == 0 {
		return s.errorf(e.Name, nil, "%s has no arguments", env.what)
	}
	hints := expr.Meant(name, names)
	if len(hints) == 0 {
		hints = []string{"arguments: " + list(names)}
	}
	return s.errorf(e.Name, hints, "%s has no argument %q", env.what, name)
}

// index checks x[i].
func (s *scope) index(e *expr.Index) value {
	v := s.value(e.X)
	i := s.scalar(e.I, "an index")
	if v.bad() || i.bad() {
		return bad()
	}
	if i.t.class == classPointer {
		return s.errorf(e.I, nil, "an index must be a number, and %s is a %s", show(e.I), i.t)
	}
	switch v.t.class {
	case classPointer:
		v = s.read(e.X, v)
		if _, void := s.env.types.complete(v.t.target).(*btf.Void); void {
			return s.errorf(e, castHint(e.X), "%s is a void *: what is there is not known", show(e.X))
		}
		stepped := s.step(e, v, i, false)
		if stepped.bad() {
			return stepped
		}
		return s.follow(e, stepped)
	case classArray:
		return s.element(e, v, i)
	case classText:
		return s.errorf(e, []string{`compare the text's beginning with a glob: ` + show(e.X) + ` ~ "a*"`}, "%s is a string, whose bytes are not taken singly", show(e.X))
	}
	return s.errorf(e.X, nil, "%s is %s, which has no elements", show(e.X), v.t)
}

// element is an element of an array in memory.
func (s *scope) element(e *expr.Index, v, i value) value {
	size := targetSize(v.t.target, s.env.types)
	if size == 0 {
		return s.errorf(e, nil, "the size of the elements of %s is not known", show(e.X))
	}
	t := typeOf(v.t.target, pointerSpace(v.mem.space))
	if t.class == classStruct || t.class == classArray {
		t.space = v.mem.space
	}
	if i.x.Op == OpConst {
		n := i.x.Int
		if n < 0 || v.t.count > 0 && n >= int64(v.t.count) {
			return s.errorf(e.I, nil, "%s has %d elements, 0 to %d", show(e.X), v.t.count, v.t.count-1)
		}
		return value{t: t, mem: &place{addr: v.mem.addr, offset: v.mem.offset + n*size, space: v.mem.space}}
	}
	if v.mem.addr == nil {
		return s.errorf(e.I, nil, "%s is in the tracepoint's record: its index must be a constant", show(e.X))
	}
	addr := advance(e, v.mem.address(e), i, size, false)
	return value{t: t, mem: &place{addr: addr, space: v.mem.space}}
}

// castType finds the type that a cast names.
func castType(name *expr.TypeName, types lookup) (btf.Type, *refusal) {
	var t btf.Type
	if name.Tag == "" {
		if t = basicType(name.Name); t == nil {
			t = types.named("", name.Name)
		}
	} else {
		t = types.named(name.Tag, name.Name)
	}
	if t == nil {
		return nil, noType(name, types)
	}
	for range min(name.Stars, 8) {
		t = &btf.Pointer{Target: t}
	}
	return t, nil
}

func noType(name *expr.TypeName, types lookup) *refusal {
	text := strings.TrimSpace(name.Tag + " " + name.Name)
	if _, err := types.specs(); err != nil {
		var known *AccessError
		hints := []string(nil)
		if errors.As(err, &known) {
			hints = known.Hints()
		}
		if errors.Is(err, fs.ErrNotExist) {
			return refuse(fmt.Sprintf("this kernel does not describe its types (BTF), so %q is not known", text), hints...)
		}
		return refuse(fmt.Sprintf("type %q cannot be looked up: %v", text, err), hints...)
	}
	// The name may be there with another tag: struct pid_type for enum pid_type.
	found, err := types.all(name.Name)
	if err == nil {
		for _, t := range found {
			if tag := tagOf(t); tag != "-" && tag != name.Tag {
				return refuse(fmt.Sprintf("there is no type %q", text), "did you mean "+strings.TrimSpace(tag+" "+name.Name)+"?")
			}
		}
	}
	return refuse(fmt.Sprintf("there is no type %q among this host's types", text), types.meantType(name.Tag, name.Name)...)
}

// list writes names for a hint, the first ones of many.
func list(names []string) string {
	const most = 12
	if len(names) > most {
		return strings.Join(names[:most], ", ") + fmt.Sprintf(" and %d more", len(names)-most)
	}
	return strings.Join(names, ", ")
}

// defaultText is how many bytes of a string are kept where the program does not say it. It costs room in the largest record only: a record
// is as long as its texts are.
const defaultText = 256

// defaultBytes is the same of a buffer whose length is not a constant.
const defaultBytes = 256

package resolve

import (
	"errors"
	"io/fs"
	"strings"

	"github.com/cilium/ebpf/btf"

	"probetape/schemas/expr"
)

// lookup finds types by name, among those of one module of the kernel and those of the kernel itself. A user function's own types, those that its
// parameters and result lead to, come first.
type lookup struct {
	host   Host
	module string         // empty: the kernel's only
	user   *btf.FuncProto // nil: none
	names  *typeNames     // shared by all lookups of a check
}

// typeNames keeps what is found only by going through all types of the kernel or a module (150,000 of them): it is asked for at each site of a
// statement again.
type typeNames struct {
	modules map[string]*moduleNames
}

// moduleNames are the names of a module's types, and those of the kernel's.
type moduleNames struct {
	constants map[string]enumConstant
	types     map[string][]string // by tag
}

// enumConstant is a constant of an enum.
type enumConstant struct {
	enum  *btf.Enum
	value int64
}

// of goes through the types of a module and of the kernel.
func (n *typeNames) of(l lookup) (*moduleNames, error) {
	if m := n.modules[l.module]; m != nil {
		return m, nil
	}
	specs, err := l.specs()
	if err != nil {
		return nil, err
	}
	m := &moduleNames{constants: map[string]enumConstant{}, types: map[string][]string{}}
	for _, s := range specs {
		for t, err := range s.All() {
			if err != nil {
				return nil, err
			}
			if tag := tagOf(t); tag != "-" && t.TypeName() != "" {
				m.types[tag] = append(m.types[tag], t.TypeName())
			}
			enum, ok := t.(*btf.Enum)
			if !ok {
				continue
			}
			for _, v := range enum.Values {
				if _, known := m.constants[v.Name]; !known {
					m.constants[v.Name] = enumConstant{enum, widenEnum(enum, v.Value)}
				}
			}
		}
	}
	if n.modules == nil {
		n.modules = map[string]*moduleNames{}
	}
	n.modules[l.module] = m
	return m, nil
}

// specs returns where to look: the module's types first. A module without types of its own has the kernel's.
func (l lookup) specs() ([]*btf.Spec, error) {
	kernel, err := l.host.Types("")
	if err != nil {
		return nil, err
	}
	if l.module == "" {
		return []*btf.Spec{kernel}, nil
	}
	own, err := l.host.Types(l.module)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return []*btf.Spec{kernel}, nil
	case err != nil:
		return nil, err
	}
	return []*btf.Spec{own, kernel}, nil
}

// all returns every type of a name.
func (l lookup) all(name string) ([]btf.Type, error) {
	specs, err := l.specs()
	if err != nil {
		return nil, err
	}
	var found []btf.Type
	for _, s := range specs {
		types, err := s.AnyTypesByName(name)
		if err != nil && !errors.Is(err, btf.ErrNotFound) {
			return nil, err
		}
		found = append(found, types...)
	}
	return found, nil
}

// named finds a struct, union or enum by its tag and name, or with an empty tag a typedef or a basic type; nil where there is none or the types
// cannot be read. Where several have that name (static ones of different files) it is the first.
func (l lookup) named(tag, name string) btf.Type {
	if l.user != nil {
		if t := reachable(l.user, tag, name); t != nil {
			return t
		}
	}
	types, err := l.all(name)
	if err != nil {
		return nil
	}
	for _, t := range types {
		if tagOf(t) == tag {
			return t
		}
	}
	return nil
}

// maxReachable bounds how many types of a program are looked through.
const maxReachable = 20000

// reachable finds a type by name among those that a function's parameters and result lead to.
func reachable(proto *btf.FuncProto, tag, name string) btf.Type {
	seen := map[btf.Type]bool{}
	next := []btf.Type{proto.Return}
	for _, p := range proto.Params {
		next = append(next, p.Type)
	}
	for len(next) > 0 && len(seen) < maxReachable {
		t := next[0]
		next = next[1:]
		if t == nil || seen[t] {
			continue
		}
		seen[t] = true
		if t.TypeName() == name && tagOf(t) == tag {
			return t
		}
		switch u := t.(type) {
		case *btf.Pointer:
			next = append(next, u.Target)
		case *btf.Array:
			next = append(next, u.Type)
		case *btf.Typedef:
			next = append(next, u.Type)
		case *btf.Struct, *btf.Union:
			for _, m := range membersOf(u) {
				next = append(next, m.Type)
			}
		default:
			if bare := btf.QualifiedType(t); bare != t {
				next = append(next, bare)
			}
		}
	}
	return nil
}

// tagOf returns the word that C puts before a type's name. What is no type of values has none that is ever asked for.
func tagOf(t btf.Type) string {
	switch t.(type) {
	case *btf.Struct:
		return "struct"
	case *btf.Union:
		return "union"
	case *btf.Enum:
		return "enum"
	case *btf.Typedef, *btf.Int:
		return ""
	}
	return "-"
}

// proto finds a function's parameters and result; nil where its types are not known, or several functions of that name differ.
func (l lookup) proto(name string) (*btf.FuncProto, error) {
	types, err := l.all(name)
	if err != nil {
		return nil, err
	}
	var found *btf.FuncProto
	for _, t := range types {
		f, ok := t.(*btf.Func)
		if !ok {
			continue
		}
		p, ok := f.Type.(*btf.FuncProto)
		if !ok {
			continue
		}
		if found != nil && !sameProto(found, p) {
			return nil, nil
		}
		found = p
	}
	return found, nil
}

func sameProto(a, b *btf.FuncProto) bool {
	if len(a.Params) != len(b.Params) || cName(a.Return) != cName(b.Return) {
		return false
	}
	for i := range a.Params {
		if a.Params[i].Name != b.Params[i].Name || cName(a.Params[i].Type) != cName(b.Params[i].Type) {
			return false
		}
	}
	return true
}

// rawProto finds the arguments of a kernel tracepoint: the parameters of its btf_trace_ type without the first, which is the probe's own.
// That type is one of a pointer and has no names for them; the function that calls the probes has (__traceiter_ since Linux 5.10).
func (l lookup) rawProto(name string) (*btf.FuncProto, error) {
	types, err := l.all("btf_trace_" + name)
	if err != nil {
		return nil, err
	}
	var proto *btf.FuncProto
	for _, t := range types {
		if ptr, ok := btf.UnderlyingType(t).(*btf.Pointer); ok {
			if p, ok := ptr.Target.(*btf.FuncProto); ok && len(p.Params) > 0 {
				proto = p
				break
			}
		}
	}
	if proto == nil {
		return nil, nil
	}
	for _, prefix := range []string{"__traceiter_", "__bpf_trace_"} {
		named, err := l.proto(prefix + name)
		if err != nil {
			return nil, err
		}
		if named != nil && len(named.Params) == len(proto.Params) {
			proto = named
			break
		}
	}
	return &btf.FuncProto{Return: &btf.Void{}, Params: proto.Params[1:]}, nil
}

// complete returns the definition of a type that is only declared where it was found (a module's view of the kernel's struct).
func (l lookup) complete(t btf.Type) btf.Type {
	fwd, ok := btf.UnderlyingType(t).(*btf.Fwd)
	if !ok {
		return btf.UnderlyingType(t)
	}
	tag := "struct"
	if fwd.Kind == btf.FwdUnion {
		tag = "union"
	}
	if whole := l.named(tag, fwd.Name); whole != nil {
		return whole
	}
	return fwd
}

// enumerator finds a constant by its name among all enums of the kernel. Types that cannot be read have none.
func (l lookup) enumerator(name string) (enumConstant, bool) {
	all, err := l.names.of(l)
	if err != nil {
		return enumConstant{}, false
	}
	c, ok := all.constants[name]
	return c, ok
}

func enumValue(e *btf.Enum, name string) (int64, bool) {
	for _, v := range e.Values {
		if v.Name == name {
			return widenEnum(e, v.Value), true
		}
	}
	return 0, false
}

// widenEnum returns a value as a number of 64 bits. (The types hold it as it was encoded: 32-bit negative ones come sign-extended or not.)
func widenEnum(e *btf.Enum, v uint64) int64 {
	if e.Size < 8 {
		if e.Signed {
			shift := 64 - 8*e.Size
			return int64(v<<shift) >> shift
		}
		return int64(v & (1<<(8*e.Size) - 1))
	}
	return int64(v)
}

// meantType proposes types for one that there is not.
func (l lookup) meantType(tag, name string) []string {
	all, err := l.names.of(l)
	if err != nil {
		return nil // this is for a hint only
	}
	near := expr.Nearest(name, all.types[tag])
	for i := range near {
		near[i] = strings.TrimSpace(tag + " " + near[i])
	}
	return expr.DidYouMean(near)
}

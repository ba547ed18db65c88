package resolve

import "github.com/cilium/ebpf/btf"

// member is a member of a struct or union, found by name.
type member struct {
	btf.Member
	offset btf.Bits // from the outermost struct: anonymous members are looked into
}

func membersOf(t btf.Type) []btf.Member {
	switch s := t.(type) {
	case *btf.Struct:
		return s.Members
	case *btf.Union:
		return s.Members
	}
	return nil
}

// maxAnonymous bounds how deep anonymous members are looked into.
const maxAnonymous = 8

func findMember(t btf.Type, name string) (member, bool) {
	return findMemberAt(t, name, 0, 0)
}

func findMemberAt(t btf.Type, name string, base btf.Bits, depth int) (member, bool) {
	if depth > maxAnonymous {
		return member{}, false
	}
	for _, m := range membersOf(t) {
		if m.Name == name {
			return member{m, base + m.Offset}, true
		}
		if m.Name == "" {
			if found, ok := findMemberAt(btf.UnderlyingType(m.Type), name, base+m.Offset, depth+1); ok {
				return found, true
			}
		}
	}
	return member{}, false
}

// memberNames lists the names that can be written after a struct's arrow or point.
func memberNames(t btf.Type) []string { return memberNamesAt(t, nil, 0) }

func memberNamesAt(t btf.Type, names []string, depth int) []string {
	if depth > maxAnonymous {
		return names
	}
	for _, m := range membersOf(t) {
		if m.Name != "" {
			names = append(names, m.Name)
			continue
		}
		names = memberNamesAt(btf.UnderlyingType(m.Type), names, depth+1)
	}
	return names
}

package generate

import (
	"fmt"

	"github.com/cilium/ebpf/btf"
)

// field makes an expression that a field can keep.
func (g *Generator) field(s *site) string {
	switch n := g.rand.IntN(12); {
	case n == 0:
		return pick(g, []string{"kstack", "ustack"})
	case n == 1:
		return g.condition(s, g.opts.MaxDepth)
	case n == 2:
		return g.bytes(s)
	case n == 3 && len(s.contents) > 0:
		return pick(g, s.contents)
	case n <= 5:
		return g.text(s, 2)
	case n == 6 && len(s.pointers) > 0:
		if path, ok := g.path(s); ok {
			return path
		}
	}
	return g.number(s, g.opts.MaxDepth)
}

// number makes an expression that is a number.
func (g *Generator) number(s *site, depth int) string {
	if depth <= 0 || g.chance(4) {
		return g.leaf(s)
	}
	x := g.number(s, depth-1)
	switch n := g.rand.IntN(16); {
	case n < 8:
		return fmt.Sprintf("(%s %s %s)", x, pick(g, []string{"+", "-", "*", "&", "|", "^"}), g.number(s, depth-1))
	case n < 10:
		return fmt.Sprintf("(%s %s %s)", x, pick(g, []string{"/", "%"}), g.number(s, depth-1))
	case n == 10:
		return fmt.Sprintf("(%s %s %d)", x, pick(g, []string{"<<", ">>"}), g.rand.IntN(32))
	case n == 11:
		return fmt.Sprintf("(%s ? %s : %s)", g.condition(s, depth-1), x, g.number(s, depth-1))
	case n == 12:
		return pick(g, []string{"-", "~", "!"}) + x
	case n == 13:
		return fmt.Sprintf("(%s)%s", pick(g, []string{"u8", "i8", "u16", "i16", "u32", "i32", "u64", "i64", "bool", "int", "unsigned long"}), x)
	case n == 14:
		return fmt.Sprintf("(%s)", g.condition(s, depth-1))
	}
	return x
}

func (g *Generator) leaf(s *site) string {
	switch n := g.rand.IntN(10); {
	case n < 2:
		return pick(g, []string{"0", "1", "2", "-1", "7", "255", "4096", "0xffffffff", "0x7fffffffffffffff", "10ms", "4KiB", "65535"})
	case n == 2 && len(s.pointers) > 0:
		if m, ok := g.memberNumber(s); ok {
			return m
		}
	}
	return pick(g, s.numbers)
}

// condition makes an expression that is true or false.
func (g *Generator) condition(s *site, depth int) string {
	if depth > 0 {
		switch g.rand.IntN(7) {
		case 0:
			return fmt.Sprintf("(%s && %s)", g.condition(s, depth-1), g.condition(s, depth-1))
		case 1:
			return fmt.Sprintf("(%s || %s)", g.condition(s, depth-1), g.condition(s, depth-1))
		case 2:
			return fmt.Sprintf("!(%s)", g.condition(s, depth-1))
		case 3:
			return fmt.Sprintf("(%s %s %q)", g.text(s, 1), pick(g, []string{"==", "!="}), pick(g, literals))
		case 5:
			if len(s.pointers) > 0 {
				return fmt.Sprintf("(str(%s) %s %q)", pick(g, s.pointers).text, pick(g, []string{"==", "!="}), longest)
			}
		case 4:
			return fmt.Sprintf("(%s %s %q)", g.text(s, 1), pick(g, []string{"~", "!~"}), pick(g, globs))
		}
	}
	// Constants are small ones: what the type of the other side decides is refused.
	y := pick(g, []string{"1", "2", "7", "'x'"})
	if g.chance(2) {
		y = g.number(s, depth-1)
	}
	return fmt.Sprintf("(%s %s %s)", pick(g, s.numbers), pick(g, []string{"==", "!=", "<", "<=", ">", ">="}), y)
}

// longest is the longest text that is compared with: 64 bytes.
const longest = "a text of exactly sixty-four bytes, which is the longest one 64b"

var (
	literals = []string{"", "x", "cat", "/etc/passwd", "kworker/0:1"}
	globs    = []string{"*", "a*", "*b", "*b*", "?", "a?c*", "/usr/*/lib*.so.?", "**", "kworker*", "*a*b*c*d*e*f*g*h*"}
)

// text makes an expression that is a text.
func (g *Generator) text(s *site, depth int) string {
	if depth > 0 && g.chance(6) {
		return fmt.Sprintf("(%s ? %s : %s)", g.condition(s, depth-1), g.text(s, depth-1), g.text(s, depth-1))
	}
	if len(s.pointers) > 0 && g.chance(2) {
		return fmt.Sprintf("str(%s%s)", pick(g, s.pointers).text, g.length(s))
	}
	t := pick(g, s.texts)
	if g.chance(3) {
		t = fmt.Sprintf("str(%s, %d)", t, 1+g.rand.IntN(300))
	}
	return t
}

// length makes the second argument of str and buf, or none.
func (g *Generator) length(s *site) string {
	switch g.rand.IntN(4) {
	case 0:
		return fmt.Sprintf(", %d", 1+g.rand.IntN(512))
	case 1:
		return ", " + g.number(s, 1)
	}
	return ""
}

func (g *Generator) bytes(s *site) string {
	if len(s.pointers) == 0 {
		return pick(g, s.numbers)
	}
	n := fmt.Sprint(1 + g.rand.IntN(256))
	if g.chance(2) {
		n = g.number(s, 1)
	}
	return fmt.Sprintf("buf(%s, %s)", pick(g, s.pointers).text, n)
}

// memberNumber follows members of a pointer to a number.
func (g *Generator) memberNumber(s *site) (string, bool) {
	text, t, ok := g.follow(s)
	if !ok {
		return "", false
	}
	switch u := btf.UnderlyingType(t).(type) {
	case *btf.Int:
		return text, u.Size <= 8
	case *btf.Enum:
		return text, true
	}
	return "", false
}

// path follows members of a pointer to something that a field can keep.
func (g *Generator) path(s *site) (string, bool) {
	text, t, ok := g.follow(s)
	if !ok {
		return "", false
	}
	switch u := btf.UnderlyingType(t).(type) {
	case *btf.Int:
		return text, u.Size <= 8
	case *btf.Enum, *btf.Pointer:
		return text, true
	case *btf.Array:
		n, err := btf.Sizeof(u)
		return text, err == nil && n > 0 && n <= 256
	}
	return "", false
}

// maxPath is how many members are followed.
const maxPath = 5

// follow takes members at random, starting at a pointer to a struct, until it comes to something that is none.
func (g *Generator) follow(s *site) (string, btf.Type, bool) {
	p := pick(g, s.pointers)
	if p.to == nil {
		return "", nil, false
	}
	text, arrow := p.text, "->"
	t := btf.UnderlyingType(p.to)
	for range maxPath {
		m, ok := g.member(t)
		if !ok {
			return "", nil, false
		}
		text += arrow + m.Name
		switch u := btf.UnderlyingType(m.Type).(type) {
		case *btf.Struct, *btf.Union:
			t, arrow = u, "."
		case *btf.Pointer:
			next := btf.UnderlyingType(u.Target)
			if len(membersOf(next)) == 0 || g.chance(2) {
				return text, m.Type, true
			}
			t, arrow = next, "->"
		default:
			return text, m.Type, true
		}
	}
	return "", nil, false
}

// member picks a member by name, inside anonymous ones too.
func (g *Generator) member(t btf.Type) (btf.Member, bool) {
	for range maxPath {
		members := membersOf(t)
		if len(members) == 0 {
			return btf.Member{}, false
		}
		m := pick(g, members)
		if m.Name != "" {
			return m, true
		}
		t = btf.UnderlyingType(m.Type)
	}
	return btf.Member{}, false
}

func membersOf(t btf.Type) []btf.Member {
	switch u := t.(type) {
	case *btf.Struct:
		return u.Members
	case *btf.Union:
		return u.Members
	}
	return nil
}

package expr

import "strings"

// basicTypes are C's words for types; a type can be several of them.
var basicTypes = map[string]bool{
	"void": true, "char": true, "short": true, "int": true, "long": true, "signed": true, "unsigned": true, "float": true,
	"double": true, "bool": true, "_Bool": true,
}

// typedefs are names that are types wherever they stand in parentheses. Others are known by what stands around them.
var typedefs = map[string]bool{
	"size_t": true, "ssize_t": true, "pid_t": true, "uid_t": true, "gid_t": true, "off_t": true, "loff_t": true, "dev_t": true,
	"ino_t": true, "mode_t": true, "umode_t": true, "gfp_t": true, "sector_t": true, "ktime_t": true, "time_t": true,
	"uintptr_t": true, "intptr_t": true, "ptrdiff_t": true,
}

// isTypedef reports whether name is an integer type by its name alone: u32, __be16, uint64_t, size_t.
func isTypedef(name string) bool {
	if typedefs[name] {
		return true
	}
	name = strings.TrimPrefix(name, "__")
	for _, prefix := range [...]string{"u", "s", "i", "be", "le", "uint", "int"} {
		bits, ok := strings.CutPrefix(name, prefix)
		if !ok {
			continue
		}
		bits = strings.TrimSuffix(bits, "_t")
		switch bits {
		case "8", "16", "32", "64":
			return true
		}
	}
	return false
}

// castType reports whether the parenthesis that is next holds a type, reads it if so, and moves behind it.
//
// It is one where it says so itself (struct, basic types, integer types), where it ends in a star, which no value does, and where an
// operand follows that could not follow a value.
func (p *Parser) castType() (*TypeName, bool) {
	ahead := p.lex
	ahead.quiet = true
	first := ahead.next()
	if first.Kind != TokenName {
		return nil, false
	}
	typ := &TypeName{}
	certain := false
	t := first
	for t.IsName("const") || t.IsName("volatile") {
		certain = true
		t = ahead.next()
	}
	switch {
	case t.IsName("struct") || t.IsName("union") || t.IsName("enum"):
		typ.Tag = t.Text
		certain = true
		if t = ahead.next(); t.Kind != TokenName {
			return nil, false
		}
		typ.Name = t.Text
		t = ahead.next()
	case t.Kind == TokenName && basicTypes[t.Text]:
		certain = true
		for t.Kind == TokenName && (basicTypes[t.Text] || t.Text == "const") {
			if t.Text != "const" {
				typ.Name = strings.TrimPrefix(typ.Name+" "+t.Text, " ")
			}
			t = ahead.next()
		}
	case t.Kind == TokenName:
		typ.Name = t.Text
		certain = certain || isTypedef(t.Text)
		t = ahead.next()
	default:
		return nil, false
	}
	for t.Is("*") || t.IsName("const") || t.IsName("volatile") {
		if t.Is("*") {
			typ.Stars++
		}
		t = ahead.next()
	}
	if !t.Is(")") {
		return nil, false
	}
	typ.Span = Span{first.From, t.From}
	next := ahead.next()
	certain = certain || typ.Stars > 0
	if !certain && (!beginsOperand(next) || next.NewLine || next.Kind == TokenName && wordOperators[next.Text] != OpNone) {
		return nil, false
	}
	p.Seek(t.To)
	return typ, true
}

// cast parses the value behind a type in parentheses.
func (p *Parser) cast(open Token, typ *TypeName) Expr {
	if !p.enter() {
		return &Bad{open.Span}
	}
	defer p.leave()
	p.count()
	x := p.unary()
	return &Cast{Span{open.From, x.End()}, typ, x}
}

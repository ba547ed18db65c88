package recorded

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/cilium/ebpf/btf"
)

// declarations are types and functions read from C text, with the layouts that a C compiler gives them on x86-64.
type declarations struct {
	tagged   map[string]btf.Type // "struct file"
	typedefs map[string]*btf.Typedef
	funcs    []*btf.Func
	raw      []string // tracepoints
	order    []btf.Type

	tokens []string
	pos    int
}

// parseC reads declarations. Types that are only named become forward declarations.
func parseC(text string) (d *declarations, err error) {
	d = &declarations{tagged: map[string]btf.Type{}, typedefs: map[string]*btf.Typedef{}, tokens: tokenize(text)}
	defer func() {
		if r := recover(); r != nil {
			problem, ok := r.(parseError)
			if !ok {
				panic(r)
			}
			err = fmt.Errorf("reading C declarations: %s (before %q)", string(problem), strings.Join(d.tokens[d.pos:min(d.pos+6, len(d.tokens))], " "))
		}
	}()
	d.declare()
	for d.pos < len(d.tokens) {
		d.declaration()
	}
	return d, nil
}

type parseError string

func (d *declarations) fail(format string, args ...any) {
	panic(parseError(fmt.Sprintf(format, args...)))
}

func tokenize(text string) []string {
	var tokens []string
	for i := 0; i < len(text); {
		c := text[i]
		switch {
		case c == ' ' || c == '\t' || c == '\n':
			i++
		case isWord(c):
			from := i
			for i < len(text) && isWord(text[i]) {
				i++
			}
			tokens = append(tokens, text[from:i])
		case strings.HasPrefix(text[i:], "..."):
			tokens = append(tokens, "...")
			i += 3
		default:
			tokens = append(tokens, text[i:i+1])
			i++
		}
	}
	return tokens
}

func isWord(c byte) bool {
	return c == '_' || c == '.' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// declare makes an object for each type that is defined somewhere, so that types can name later ones.
func (d *declarations) declare() {
	for i := 0; i+2 < len(d.tokens); i++ {
		tag, name, brace := d.tokens[i], d.tokens[i+1], d.tokens[i+2]
		if brace != "{" {
			continue
		}
		var t btf.Type
		switch tag {
		case "struct":
			t = &btf.Struct{Name: name}
		case "union":
			t = &btf.Union{Name: name}
		case "enum":
			t = &btf.Enum{Name: name}
		default:
			continue
		}
		d.tagged[tag+" "+name] = t
		d.order = append(d.order, t)
	}
	// typedef ... NAME ;
	for i := 0; i < len(d.tokens); i++ {
		if d.tokens[i] != "typedef" {
			continue
		}
		end, depth := i, 0
		for ; end < len(d.tokens) && (d.tokens[end] != ";" || depth > 0); end++ {
			switch d.tokens[end] {
			case "{":
				depth++
			case "}":
				depth--
			}
		}
		name := d.tokens[end-1]
		if name == "]" {
			name = d.tokens[end-4]
		}
		td := &btf.Typedef{Name: name}
		d.typedefs[name] = td
		d.order = append(d.order, td)
	}
}

func (d *declarations) next() string {
	if d.pos >= len(d.tokens) {
		d.fail("the text ends too early")
	}
	d.pos++
	return d.tokens[d.pos-1]
}

func (d *declarations) peek() string {
	if d.pos >= len(d.tokens) {
		return ""
	}
	return d.tokens[d.pos]
}

func (d *declarations) take(token string) bool {
	if d.peek() != token {
		return false
	}
	d.pos++
	return true
}

func (d *declarations) expect(token string) {
	if !d.take(token) {
		d.fail("%q is missing", token)
	}
}

func (d *declarations) declaration() {
	switch d.peek() {
	case "typedef":
		d.pos++
		base := d.typ()
		name, t := d.declarator(base)
		d.typedefs[name].Type = t
		d.expect(";")
	case "func":
		d.pos++
		ret := d.pointers(d.typ())
		name := d.next()
		d.funcs = append(d.funcs, &btf.Func{Name: name, Type: d.params(ret), Linkage: btf.GlobalFunc})
		d.expect(";")
	case "tracepoint":
		d.pos++
		d.tracepoint()
	default:
		d.typ()
		d.expect(";")
	}
}

// tracepoint makes the types that the kernel has for one: btf_trace_NAME without names, and the function that calls its probes.
func (d *declarations) tracepoint() {
	name := d.next()
	proto := d.params(&btf.Void{})
	data := btf.FuncParam{Name: "__data", Type: &btf.Pointer{Target: &btf.Void{}}}
	named := &btf.FuncProto{Return: basic("int"), Params: append([]btf.FuncParam{data}, proto.Params...)}
	bare := &btf.FuncProto{Return: &btf.Void{}}
	for _, p := range named.Params {
		bare.Params = append(bare.Params, btf.FuncParam{Type: p.Type})
	}
	td := &btf.Typedef{Name: "btf_trace_" + name, Type: &btf.Pointer{Target: bare}}
	d.order = append(d.order, td)
	d.funcs = append(d.funcs, &btf.Func{Name: "__traceiter_" + name, Type: named, Linkage: btf.GlobalFunc})
	d.raw = append(d.raw, name)
	d.expect(";")
}

func (d *declarations) params(ret btf.Type) *btf.FuncProto {
	proto := &btf.FuncProto{Return: ret}
	d.expect("(")
	if d.take("void") {
		if !d.take(")") {
			d.pos--
		} else {
			return proto
		}
	}
	for !d.take(")") {
		if d.take("...") {
			proto.Params = append(proto.Params, btf.FuncParam{Type: &btf.Void{}})
			continue
		}
		base := d.typ()
		name, t := d.declarator(base)
		proto.Params = append(proto.Params, btf.FuncParam{Name: name, Type: t})
		d.take(",")
	}
	return proto
}

// pointers reads the stars after a type.
func (d *declarations) pointers(t btf.Type) btf.Type {
	for {
		switch {
		case d.take("*"):
			t = &btf.Pointer{Target: t}
		case d.take("const"):
			t = &btf.Const{Type: t}
		case d.take("__user"):
			t = &btf.TypeTag{Type: t, Value: "user"}
		default:
			return t
		}
	}
}

// declarator reads stars, a name and an array's length.
func (d *declarations) declarator(t btf.Type) (string, btf.Type) {
	t = d.pointers(t)
	name := d.next()
	if d.take("[") {
		n := uint64(0)
		if d.peek() != "]" {
			n = d.number()
		}
		d.expect("]")
		t = &btf.Array{Type: t, Index: basic("unsigned int"), Nelems: uint32(n)}
	}
	return name, t
}

func (d *declarations) number() uint64 {
	text := d.next()
	n, err := strconv.ParseUint(text, 0, 64)
	if err != nil {
		d.fail("%q is no number", text)
	}
	return n
}

// typ reads a type without stars, a definition of one included.
func (d *declarations) typ() btf.Type {
	if d.take("const") {
		return &btf.Const{Type: d.typ()}
	}
	if d.take("volatile") {
		return &btf.Volatile{Type: d.typ()}
	}
	if d.take("__user") {
		return &btf.TypeTag{Type: d.typ(), Value: "user"}
	}
	switch tag := d.next(); tag {
	case "struct", "union", "enum":
		name := ""
		if d.peek() != "{" {
			name = d.next()
		}
		if d.take("{") {
			return d.define(tag, name)
		}
		if t := d.tagged[tag+" "+name]; t != nil {
			return t
		}
		kind := btf.FwdStruct
		if tag == "union" {
			kind = btf.FwdUnion
		}
		fwd := &btf.Fwd{Name: name, Kind: kind}
		d.tagged[tag+" "+name] = fwd
		return fwd
	default:
		words := tag
		for basic(words) != nil && d.peek() != "" && basic(words+" "+d.peek()) != nil {
			words += " " + d.next()
		}
		// unsigned long long: the first two words are a type already.
		if t := d.typedefs[words]; t != nil {
			return t
		}
		if t := basic(words); t != nil {
			return t
		}
		d.fail("there is no type %q", words)
		return nil
	}
}

func (d *declarations) define(tag, name string) btf.Type {
	if tag == "enum" {
		return d.enum(name)
	}
	members, size := d.members(tag == "union")
	if tag == "union" {
		u, ok := d.tagged["union "+name].(*btf.Union)
		if !ok {
			u = &btf.Union{}
		}
		u.Members, u.Size = members, size
		return u
	}
	s, ok := d.tagged["struct "+name].(*btf.Struct)
	if !ok {
		s = &btf.Struct{}
	}
	s.Members, s.Size = members, size
	return s
}

func (d *declarations) enum(name string) btf.Type {
	e, ok := d.tagged["enum "+name].(*btf.Enum)
	if !ok {
		e = &btf.Enum{}
	}
	e.Size = 4
	value := uint64(0)
	for !d.take("}") {
		n := d.next()
		if d.take("=") {
			if d.take("-") {
				value = -d.number()
				e.Signed = true
			} else {
				value = d.number()
			}
		}
		e.Values = append(e.Values, btf.EnumValue{Name: n, Value: value})
		value++
		d.take(",")
	}
	return e
}

// members reads a struct's members and lays them out as the System V ABI says.
func (d *declarations) members(union bool) ([]btf.Member, uint32) {
	var members []btf.Member
	bits, align := 0, 1
	for !d.take("}") {
		base := d.typ()
		m := btf.Member{Type: base}
		width := 0
		if d.peek() != ";" {
			m.Name, m.Type = d.declarator(base)
			if d.take(":") {
				width = int(d.number())
			}
		}
		d.expect(";")
		size, a := sizeAlign(m.Type)
		at := bits
		if union {
			at = 0
		}
		if width > 0 {
			if at/(8*size) != (at+width-1)/(8*size) {
				at = (at + 8*size - 1) / (8 * size) * (8 * size)
			}
			m.BitfieldSize = btf.Bits(width)
			bits = max(bits, at+width)
		} else {
			at = (at + 8*a - 1) / (8 * a) * (8 * a)
			bits = max(bits, at+8*size)
		}
		align = max(align, a)
		m.Offset = btf.Bits(at)
		members = append(members, m)
	}
	size := (bits + 7) / 8
	return members, uint32((size + align - 1) / align * align)
}

func sizeAlign(t btf.Type) (size, align int) {
	switch u := btf.UnderlyingType(t).(type) {
	case *btf.Array:
		s, a := sizeAlign(u.Type)
		return s * int(u.Nelems), a
	case *btf.Struct:
		return int(u.Size), membersAlign(u.Members)
	case *btf.Union:
		return int(u.Size), membersAlign(u.Members)
	case *btf.Float:
		return int(u.Size), int(u.Size)
	default:
		n, err := btf.Sizeof(u)
		if err != nil {
			panic(parseError(err.Error()))
		}
		return n, max(n, 1)
	}
}

func membersAlign(members []btf.Member) int {
	align := 1
	for _, m := range members {
		_, a := sizeAlign(m.Type)
		align = max(align, a)
	}
	return align
}

// basic is one of C's own types, or a name that every kernel gives one.
func basic(name string) btf.Type {
	size, encoding := uint32(0), btf.Unsigned
	switch name {
	case "void":
		return &btf.Void{}
	case "float", "double":
		return &btf.Float{Name: name, Size: map[string]uint32{"float": 4, "double": 8}[name]}
	case "char":
		size, encoding = 1, btf.Signed
	case "bool", "_Bool":
		size, encoding = 1, btf.Bool
	case "short":
		size, encoding = 2, btf.Signed
	case "int", "signed":
		size, encoding = 4, btf.Signed
	case "long", "long long":
		size, encoding = 8, btf.Signed
	case "unsigned char":
		size = 1
	case "unsigned short":
		size = 2
	case "unsigned", "unsigned int":
		size = 4
	case "unsigned long", "unsigned long long":
		size = 8
	default:
		return nil
	}
	return &btf.Int{Name: name, Size: size, Encoding: encoding}
}

// types returns everything that was declared, for a BTF of its own.
func (d *declarations) types() []btf.Type {
	all := append([]btf.Type(nil), d.order...)
	for _, f := range d.funcs {
		all = append(all, f)
	}
	return all
}

// proto finds a function by its name.
func (d *declarations) proto(name string) *btf.FuncProto {
	for _, f := range d.funcs {
		if f.Name == name {
			return f.Type.(*btf.FuncProto)
		}
	}
	return nil
}

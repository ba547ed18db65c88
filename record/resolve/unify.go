package resolve

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/cilium/ebpf/btf"

	"probetape/schemas"
	"probetape/schemas/expr"
)

// unify makes the types of each field one for all sites, lays out the table, and adds the statement to the plan: sites whose expressions are
// equal together.
func (b *body) unify(results []result) {
	failed := false
	for i, f := range b.fields {
		field, ok := b.field(f.Name.Name, f, results, i)
		failed = failed || !ok
		for k := range results {
			field.AtExit = field.AtExit || results[k].env.kind.Call() && needsReturn(results[k].values[i].x)
		}
		b.table.Fields = append(b.table.Fields, field)
	}
	if failed || !b.fits() {
		return
	}
	b.group(results)
}

// field makes one column of a field's values at all sites.
func (b *body) field(name string, at expr.Node, results []result, i int) (schemas.Field, bool) {
	field := schemas.Field{Name: name}
	all := results[0].values[i].t
	for k := 1; k < len(results); k++ {
		next := results[k].values[i].t
		t, ok := oneType(all, next)
		if !ok {
			b.diags = append(b.diags, b.s.Source.Error(at, fmt.Sprintf("field %s is %s at %s, and %s at %s", name, describe(all), results[0].env.what, describe(next), results[k].env.what),
				"make two statements of it"))
			return field, false
		}
		all = t
	}
	switch all.class {
	case classText, classBytes:
		field.MaxLen = max(all.max, 1)
		field.Type = schemas.TypeString
		if all.class == classBytes {
			field.Type = schemas.TypeBytes
		}
		return field, true
	case classStack:
		field.Type = schemas.TypeStackID
		return field, true
	case classBool:
		field.Type = schemas.TypeBool
	case classEnum:
		if enum, ok := enumOf(all); ok {
			field.Type, field.Enum = schemas.TypeEnum, enumNames(enum)
			all = intType(8, true)
			break
		}
		fallthrough
	default:
		field.Type, field.Display = columnType(all), all.display
	}
	for k := range results {
		v := &results[k].values[i]
		v.x = convert(at, *v, all)
	}
	return field, true
}

// oneType is the type that holds the values of two.
func oneType(a, b ctype) (ctype, bool) {
	display := a.display
	if a.display != b.display {
		display = mergeDisplay(a, b)
	}
	switch {
	case a.class == b.class && (a.class == classText || a.class == classBytes):
		a.max = max(a.max, b.max)
		return a, true
	case a.class == b.class && (a.class == classStack || a.class == classBool):
		return a, true
	case a.class == classPointer && b.class == classPointer:
		a.display = display
		return a, true
	case a.class == classEnum && b.class == classEnum && sameEnum(a.target, b.target):
		return a, true
	case !a.scalar() || !b.scalar():
		return ctype{}, false
	}
	// Numbers: the narrowest type that holds both.
	size, signed := max(a.size, b.size), a.signed
	switch {
	case a.signed == b.signed:
	case a.signed && a.size > b.size, b.signed && b.size > a.size:
		signed = true
	case size < 8: // the unsigned one is as wide as the signed one, or wider
		size, signed = 2*max(a.size, b.size), true
	default:
		signed = true // an unsigned number beyond 63 bits is rarer than a negative one
	}
	t := intType(size, signed)
	t.display = display
	return t, true
}

// mergeDisplay shows numbers that are an address at some sites, or an error number, as such.
func mergeDisplay(a, b ctype) schemas.Display {
	for _, d := range []schemas.Display{schemas.DisplayErrno, schemas.DisplayPointer, schemas.DisplayHex} {
		if a.display == d || b.display == d {
			return d
		}
	}
	return schemas.DisplayDecimal
}

func enumOf(t ctype) (*btf.Enum, bool) {
	e, ok := t.target.(*btf.Enum)
	return e, ok && len(e.Values) > 0
}

func sameEnum(a, b btf.Type) bool {
	x, okX := a.(*btf.Enum)
	y, okY := b.(*btf.Enum)
	return okX && okY && x.Name == y.Name && slices.Equal(x.Values, y.Values)
}

// maxEnum is how many names of an enum are kept with a field.
const maxEnum = 1024

func enumNames(e *btf.Enum) []schemas.EnumValue {
	names := make([]schemas.EnumValue, 0, min(len(e.Values), maxEnum))
	seen := map[int64]bool{}
	for _, v := range e.Values {
		n := widenEnum(e, v.Value)
		if seen[n] || len(names) == maxEnum {
			continue
		}
		seen[n] = true
		names = append(names, schemas.EnumValue{Value: n, Name: v.Name})
	}
	return names
}

func columnType(t ctype) schemas.ColumnType {
	if t.class == classPointer {
		return schemas.TypeU64
	}
	signed := map[int]schemas.ColumnType{1: schemas.TypeI8, 2: schemas.TypeI16, 4: schemas.TypeI32, 8: schemas.TypeI64}
	unsigned := map[int]schemas.ColumnType{1: schemas.TypeU8, 2: schemas.TypeU16, 4: schemas.TypeU32, 8: schemas.TypeU64}
	if t.signed {
		return signed[t.size]
	}
	return unsigned[t.size]
}

// fits refuses tables whose records could be too large.
func (b *body) fits() bool {
	if len(b.fields) > schemas.MaxFields {
		b.diags = append(b.diags, b.s.Source.Error(b.fields[schemas.MaxFields], fmt.Sprintf("a statement has at most %d fields, this one has %d", schemas.MaxFields, len(b.fields))))
		return false
	}
	l := schemas.LayoutOf(&b.table)
	if l.Max <= schemas.MaxRecord {
		return true
	}
	var texts []string
	for _, f := range b.table.Fields {
		if f.Type.Text() {
			texts = append(texts, fmt.Sprintf("%s %d", f.Name, f.MaxLen))
		}
	}
	b.diags = append(b.diags, b.s.Source.Error(b.fields[0], fmt.Sprintf("a record of this statement could take %d bytes, the most is %d", l.Max, schemas.MaxRecord),
		fmt.Sprintf("%d bytes of it are texts: %s", l.Max-l.Fixed, strings.Join(texts, ", ")), "keep less of them: str(p, 64)"))
	return false
}

// maxGroups is how many groups of sites one statement may fall into.
const maxGroups = 64

// group adds the statement to the plan. Each group of sites with equal expressions is a statement of its own there, with programs of its own.
func (b *body) group(results []result) {
	index := map[string]int{}
	first := len(b.plan.Statements)
	for i := range results {
		r := &results[i]
		exprs := make([]*Expr, len(r.values))
		for k, v := range r.values {
			exprs[k] = v.x
		}
		r.site.Errno = r.site.Errno || r.env.kind.Call() && r.env.errno
		key := []byte{byte(r.site.Kind), byte(boolInt(r.site.Errno))}
		for _, x := range append([]*Expr{r.filter, r.exit}, exprs...) {
			key = appendKey(key, x)
		}
		at, ok := index[string(key)]
		if !ok {
			at = len(b.plan.Statements)
			index[string(key)] = at
			b.plan.Statements = append(b.plan.Statements, Statement{
				Table: b.table, Kind: r.site.Kind, Filter: r.filter, ExitFilter: r.exit, Fields: exprs,
				Line: b.s.Pos().Line, Text: b.s.Text,
			})
		}
		if len(index) > maxGroups {
			b.diags = append(b.diags, b.s.Source.Error(b.s.Probes[0][0], fmt.Sprintf("filter and fields are something else at each of more than %d sites: that many programs are not made", maxGroups),
				"every row has its site, so func and probe are no fields that a glob needs", "make it several statements"))
			return
		}
		r.site.Table = b.table.ID
		b.plan.Statements[at].Sites = append(b.plan.Statements[at].Sites, r.site)
	}
	for i := first; i < len(b.plan.Statements); i++ {
		sites := b.plan.Statements[i].Sites
		for k := range sites {
			sites[k].ID = b.nextSite
			b.nextSite++
		}
	}
}

// appendKey writes an expression so that equal ones give equal bytes and others do not. Places in the text are left out.
func appendKey(key []byte, x *Expr) []byte {
	if x == nil {
		return append(key, 0)
	}
	key = append(key, byte(x.Op), byte(x.Type.Kind), byte(x.Type.Size), byte(boolInt(x.Type.Signed)), byte(boolInt(x.User)), byte(boolInt(x.Either)))
	for _, n := range []int64{x.Int, int64(x.Type.Max), int64(x.Size), int64(x.Max), int64(x.BitOff), int64(x.BitSize), int64(len(x.Text))} {
		key = binary.AppendVarint(key, n)
	}
	key = append(key, x.Text...)
	if o := x.Operand; o != nil {
		key = fmt.Appendf(key, "%+v", *o)
	}
	key = appendKey(key, x.X)
	key = appendKey(key, x.Y)
	return appendKey(key, x.Z)
}

package resolve

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/cilium/ebpf/btf"

	"probetape/record/spec"
	"probetape/schemas"
	"probetape/schemas/expr"
)

// notTracepoints is the category of tracefs whose events are records of the tracer itself: no program can be attached to them.
const notTracepoints = "ftrace"

func (f *finder) tracepoints(p *spec.Probe) ([]target, *missing) {
	all, err := f.host.Tracepoints()
	if err != nil {
		return nil, unreadable(p, "tracepoint "+p.Group.Text+":"+p.Name.Text, err)
	}
	if p.Group.Text == notTracepoints {
		return nil, wrong(p.Group, nil, "ftrace:%s is a record of the kernel's tracer and no tracepoint: nothing can be attached to it", p.Name.Text)
	}
	glob := isGlob(p.Group.Text) || isGlob(p.Name.Text)
	var found []target
	for _, t := range all {
		if t.Category == notTracepoints || !matchGlob(p.Group.Text, t.Category) || !matchGlob(p.Name.Text, t.Name) {
			continue
		}
		found = append(found, target{
			site:  Site{Site: schemas.Site{Kind: p.Kind, Name: t.Name, Category: t.Category}, ArgCount: -1},
			probe: p, glob: glob,
			names: func() *env { return f.tracepointEnv(t) },
		})
	}
	if len(found) == 0 {
		return nil, noTracepoint(p, all)
	}
	return found, nil
}

// noTracepoint says what is wrong: the category, or the name in it.
func noTracepoint(p *spec.Probe, all []Tracepoint) *missing {
	var categories, inCategory, everywhere, elsewhere []string
	for _, t := range all {
		if t.Category == notTracepoints {
			continue
		}
		if n := len(categories); n == 0 || categories[n-1] != t.Category {
			categories = append(categories, t.Category)
		}
		if matchGlob(p.Group.Text, t.Category) {
			inCategory = append(inCategory, t.Name)
		} else if matchGlob(p.Name.Text, t.Name) {
			elsewhere = append(elsewhere, "tracepoint:"+t.Category+":"+t.Name)
		}
		everywhere = append(everywhere, t.Category+":"+t.Name)
	}
	slices.Sort(categories)
	categories = slices.Compact(categories)
	if len(inCategory) == 0 {
		hints := expr.DidYouMean(elsewhere[:min(len(elsewhere), maxMeant)])
		if len(hints) == 0 && !isGlob(p.Group.Text) {
			hints = expr.Meant(p.Group.Text, categories)
		}
		if len(hints) == 0 {
			hints = expr.Meant(p.Group.Text+":"+p.Name.Text, everywhere)
		}
		return absent(p.Group, hints, "there is no tracepoint category %q", p.Group.Text)
	}
	if isGlob(p.Name.Text) {
		return absent(p.Name, nil, "no tracepoint of category %s matches %q", p.Group.Text, p.Name.Text)
	}
	hints := expr.DidYouMean(elsewhere[:min(len(elsewhere), maxMeant)])
	if len(hints) == 0 {
		hints = expr.Meant(p.Name.Text, inCategory)
	}
	if len(hints) == 0 {
		hints = []string{fmt.Sprintf("to see what there is: probetape probes 'tracepoint:%s:*'", p.Group.Text)}
	}
	return absent(p.Name, hints, "there is no tracepoint %q in category %s", p.Name.Text, p.Group.Text)
}

// tracepointEnv reads a tracepoint's format.
func (f *finder) tracepointEnv(t Tracepoint) *env {
	e := &env{
		kind: schemas.KindTracepoint, what: fmt.Sprintf("tracepoint %s:%s", t.Category, t.Name), probe: "tracepoint:" + t.Category + ":" + t.Name, fn: t.Name,
		space: spaceEither, types: f.lookupIn(""),
		noNumbered: refuse("a tracepoint's arguments have names, and no numbers", "write args.NAME"),
		noRet:      refuse("a tracepoint has no return value"),
	}
	if name, ok := syscallOfTracepoint(t.Name); ok && t.Category == "syscalls" {
		e.space = spaceUser
		e.noRet = refuse("a tracepoint has no return value", "syscall:"+name+" makes one event of the entry and the return, and has retval")
		if strings.HasPrefix(t.Name, "sys_exit_") {
			e.noRet.hints = append([]string{"write args.ret"}, e.noRet.hints...)
		}
	}
	if !f.wants.args && !f.wants.numbered {
		return e
	}
	format, err := f.host.Format(t.Category, t.Name)
	if err != nil {
		e.noArgs = noFormat(e.what, err)
		e.noNumbered = e.noArgs
		return e
	}
	for _, field := range format.Fields {
		e.args = append(e.args, f.formatArgument(t, field))
	}
	if names := e.argNames(); len(names) > 0 {
		e.noNumbered.hints = []string{"write args.NAME, such as args." + names[0], "arguments: " + list(names)}
	}
	return e
}

func noFormat(what string, err error) *refusal {
	var known *AccessError
	var hints []string
	if errors.As(err, &known) {
		hints = known.Hints()
	}
	if errors.Is(err, fs.ErrPermission) {
		return refuse(fmt.Sprintf("the arguments of %s may not be read: %v", what, err), hints...)
	}
	return refuse(fmt.Sprintf("the arguments of %s are not known: %v", what, err), hints...)
}

// recordHead is how many bytes at the beginning of a tracepoint's record the kernel hides from programs (it passes them its own context there):
// the fields that begin with common_.
const recordHead = 8

// formatArgument makes an argument of a field of a tracepoint's record.
func (f *finder) formatArgument(t Tracepoint, field FormatField) argument {
	a := argument{name: field.Name, index: -1}
	if field.Offset < recordHead {
		a.refused = "the kernel hides the first 8 bytes of a record from programs"
		if field.Name == "common_pid" {
			a.refused += "; the thread is tid"
		}
		return a
	}
	syscall := t.Category == "syscalls"
	in := spaceEither
	if syscall {
		in = spaceUser
	}
	types := f.lookupIn("")
	if field.DataLoc || field.RelLoc {
		return dynamicArgument(a, field)
	}
	text := field.Type
	if field.Array > 0 && !strings.Contains(text, "[") {
		text = fmt.Sprintf("%s[%d]", text, field.Array)
	}
	var typ btf.Type
	if typ = parseCType(text, types.named); typ != nil {
		a.t = typeOf(typ, in)
	}
	a.mem = &place{offset: int64(field.Offset), space: spaceKernel}
	switch a.t.class {
	case classStruct, classArray:
		a.t.space = spaceKernel
		if n, err := btf.Sizeof(typ); err != nil || n != field.Size && !(a.t.class == classArray && a.t.count == 0) {
			a.t = bytesIn(field)
		}
	case classInt, classBool, classEnum, classPointer:
		if a.t.size > field.Size || a.t.size < field.Size && !syscall {
			a.t = ctype{}
			break
		}
		if a.t.class == classInt && a.t.size == field.Size {
			a.t.signed = field.Signed
		}
	default:
		a.t = ctype{}
	}
	if a.t.class == classBad {
		switch field.Size {
		case 1, 2, 4, 8:
			a.t = intType(field.Size, field.Signed)
			a.t.desc = field.Type
		default:
			a.t = bytesIn(field)
		}
	}
	if a.t.class == classInt {
		if d := displayByName(field.Name, a.t); d != schemas.DisplayDecimal {
			a.t.display = d
		}
		if syscall && field.Name == "ret" {
			a.t.display = schemas.DisplayErrno
		}
	}
	return a
}

// bytesIn is the type of a field that is known by its size only.
func bytesIn(field FormatField) ctype {
	t := typeOf(&btf.Array{Type: basicType("u8"), Nelems: uint32(max(field.Size, 0))}, spaceKernel)
	t.desc = field.Type
	return t
}

// dynamicArgument makes an argument of a field that says where in the record its content is.
func dynamicArgument(a argument, field FormatField) argument {
	addr := &Expr{Op: OpDataLoc, Type: addressType(), Int: int64(field.Offset)}
	if field.RelLoc {
		// Counted from behind the word itself.
		addr = &Expr{Op: OpAdd, Type: addressType(), X: addr, Y: &Expr{Op: OpConst, Type: addressType(), Int: int64(field.Offset) + 4}}
	}
	length := &Expr{Op: OpDataLen, Type: intType(4, false).plan(), Int: int64(field.Offset)}
	elem, _, _ := strings.Cut(field.Type, "[")
	if strings.TrimSpace(elem) == "char" {
		a.t = textType(defaultText)
		a.dynamic = &Expr{Op: OpStr, Type: a.t.plan(), X: addr, Y: length, Max: defaultText}
		return a
	}
	a.t = bytesType(defaultBytes)
	a.dynamic = &Expr{Op: OpBuf, Type: a.t.plan(), X: addr, Y: length, Max: defaultBytes}
	return a
}

// displayByName says how numbers are shown whose C type does not tell what they are, by the names that the kernel gives such.
func displayByName(name string, t ctype) schemas.Display {
	if t.signed && t.size < 8 && name != "flags" {
		return schemas.DisplayDecimal
	}
	switch name {
	case "flags", "gfp_flags", "mask", "prot", "oflag":
		return schemas.DisplayHex
	case "ip", "call_site", "caller", "caller_ip", "callsite":
		if t.size == 8 {
			return schemas.DisplayPointer
		}
	case "addr", "address", "start", "vaddr":
		if t.size == 8 && !t.signed {
			return schemas.DisplayHex
		}
	}
	if strings.HasSuffix(name, "_flags") || strings.HasSuffix(name, "_mask") {
		return schemas.DisplayHex
	}
	return schemas.DisplayDecimal
}

func (f *finder) rawTracepoints(p *spec.Probe) ([]target, *missing) {
	all, err := f.host.RawTracepoints()
	if errors.Is(err, fs.ErrNotExist) && !isGlob(p.Name.Text) {
		// A kernel without types cannot list them; whether there is one of this name shows when it is attached.
		raw := RawTracepoint{Name: p.Name.Text}
		f.note("whether there is a raw tracepoint %q shows when it is attached: %v", raw.Name, err)
		return []target{f.rawTarget(p, raw, false)}, nil
	}
	if err != nil {
		return nil, unreadable(p, "raw tracepoint "+p.Name.Text, err)
	}
	var found []target
	names := make([]string, 0, len(all))
	for _, t := range all {
		names = append(names, t.Name)
		if matchGlob(p.Name.Text, t.Name) {
			found = append(found, f.rawTarget(p, t, isGlob(p.Name.Text)))
		}
	}
	if len(found) > 0 {
		return found, nil
	}
	if isGlob(p.Name.Text) {
		return nil, absent(p.Name, nil, "no raw tracepoint matches %q", p.Name.Text)
	}
	hints := expr.Meant(p.Name.Text, names)
	// What tracefs lists may be made of another tracepoint (sys_enter_openat of sys_enter).
	if points, err := f.host.Tracepoints(); err == nil {
		for _, t := range points {
			if t.Name == p.Name.Text && t.Category != notTracepoints {
				hints = append([]string{fmt.Sprintf("there is a tracepoint of that name: tracepoint:%s:%s", t.Category, t.Name)}, hints...)
				break
			}
		}
	}
	return nil, absent(p.Name, hints, "there is no raw tracepoint %q", p.Name.Text)
}

func (f *finder) rawTarget(p *spec.Probe, t RawTracepoint, glob bool) target {
	return target{
		site:  Site{Site: schemas.Site{Kind: p.Kind, Name: t.Name, Module: t.Module}, ArgCount: -1},
		probe: p, glob: glob,
		names: func() *env { return f.rawEnv(t) },
	}
}

func (f *finder) rawEnv(t RawTracepoint) *env {
	e := &env{
		kind: schemas.KindRawTracepoint, what: "raw tracepoint " + t.Name, probe: "rawtracepoint:" + t.Name, fn: t.Name,
		space: spaceEither, types: f.lookupIn(t.Module), numbered: -1,
		noRet: refuse("a tracepoint has no return value"),
	}
	if t.Name == "sys_enter" || t.Name == "sys_exit" {
		e.noRet.hints = []string{"syscall:* makes one event of each call's entry and return, and has retval"}
	}
	if !f.wants.args && !f.wants.numbered {
		return e
	}
	proto, err := e.types.rawProto(t.Name)
	switch {
	case err != nil:
		e.noArgs = noTypes(e.what, err)
	case proto == nil:
		e.noArgs = refuse(fmt.Sprintf("this kernel does not say what the arguments of %s are", e.what), "arg0, arg1, ... are its arguments as plain numbers")
	default:
		e.args, e.numbered = protoArguments(proto, spaceEither, layoutSlots)
	}
	return e
}

// noTypes says why arguments have no names: the kernel's types cannot be had.
func noTypes(what string, err error) *refusal {
	var known *AccessError
	hints := []string{"arg0, arg1, ... are its arguments as plain numbers"}
	if errors.As(err, &known) {
		hints = append(known.Hints(), hints...)
	}
	return refuse(fmt.Sprintf("the names of the arguments of %s are not known: %v", what, err), hints...)
}

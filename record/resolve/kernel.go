package resolve

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sort"
	"strings"

	"probetape/record/spec"
	"probetape/schemas"
	"probetape/schemas/expr"
)

func (f *finder) kernelFunctions(p *spec.Probe) ([]target, *missing) {
	all, err := f.host.KernelFuncs()
	if err != nil {
		return nil, unreadable(p, "kernel function "+p.Name.Text, err)
	}
	if isGlob(p.Name.Text) || isGlob(p.Group.Text) {
		return f.kernelGlob(p, all)
	}
	same := functionsNamed(all, p.Name.Text)
	if p.Group.Given() {
		same = slices.DeleteFunc(slices.Clone(same), func(k KernelFunc) bool { return moduleName(k) != p.Group.Text })
	}
	if len(same) == 0 {
		return nil, f.noKernelFunction(p, all)
	}
	if m := f.cannotTrace(p, same[0]); m != nil {
		return nil, m
	}
	if len(same) > 1 {
		if m := ambiguous(p, same); m != nil {
			return nil, m
		}
		f.note("%d functions of the kernel are called %s; the probe is on the one that the kernel takes", len(same), p.Name.Text)
	}
	if size := same[0].Size; p.Offset > 0 && size > 0 && p.Offset >= size {
		return nil, wrong(p.Name, nil, "%s has %d bytes: offset %#x is behind its end", p.Name.Text, size, p.Offset)
	}
	f.coverNote(p)
	return []target{f.kernelTarget(p, same[0], false)}, nil
}

// functionsNamed finds the functions of a name in a sorted list.
func functionsNamed(all []KernelFunc, name string) []KernelFunc {
	from := sort.Search(len(all), func(i int) bool { return all[i].Name >= name })
	to := from
	for to < len(all) && all[to].Name == name {
		to++
	}
	return all[from:to]
}

// kernelImage is how the kernel itself is named where a module is.
const kernelImage = "vmlinux"

func moduleName(k KernelFunc) string {
	if k.Module == "" {
		return kernelImage
	}
	return k.Module
}

// ambiguous refuses a name that functions of several modules have.
func ambiguous(p *spec.Probe, same []KernelFunc) *missing {
	var modules []string
	for _, k := range same {
		modules = append(modules, moduleName(k))
	}
	modules = slices.Compact(modules)
	if len(modules) == 1 {
		return nil
	}
	var hints []string
	for _, m := range modules[:min(len(modules), maxMeant)] {
		hints = append(hints, fmt.Sprintf("%s:%s:%s", p.Kind, m, p.Name.Text))
	}
	return wrong(p.Name, []string{"say which: " + strings.Join(hints, ", ")}, "%s functions of different modules are called %q", fmt.Sprint(len(same)), p.Name.Text)
}

// cannotTrace says why a function that is there cannot be probed; nil where it can.
func (f *finder) cannotTrace(p *spec.Probe, k KernelFunc) *missing {
	trampoline := p.Kind == schemas.KindFentry || p.Kind == schemas.KindFexit
	switch {
	case k.Blacklisted && !trampoline:
		return wrong(p.Name, []string{"a function that it calls, or that calls it, may not be blacklisted"},
			"%s is blacklisted: the kernel allows no probe there, since the probe's own handling may run through it", k.Name)
	case k.Notrace:
		return wrong(p.Name, []string{"a function that it calls, or that calls it, may be traceable"},
			"%s cannot be traced: the kernel was built without a place for a probe in it (notrace)", k.Name)
	}
	if !trampoline {
		return nil
	}
	types := f.lookupIn(k.Module)
	proto, err := types.proto(k.Name)
	switch {
	case err != nil:
		m := wrong(p, accessHints(err, fmt.Sprintf("kprobe:%s needs no types", k.Name)), "a %s needs the types of %s: %v", p.Kind, k.Name, err)
		m.absent = errors.Is(err, fs.ErrNotExist)
		return m
	case proto == nil:
		return absent(p.Name, []string{fmt.Sprintf("%s:%s needs no types", kprobeFor(p.Kind), k.Name)},
			"%s has no type in this kernel's BTF, which a %s needs", k.Name, p.Kind)
	case trampolineSlots(proto) < 0:
		return wrong(p.Name, []string{fmt.Sprintf("%s:%s can be there", kprobeFor(p.Kind), k.Name)},
			"a %s cannot be at %s, whose arguments are not all in registers and words of the stack", p.Kind, k.Name)
	}
	return nil
}

func kprobeFor(k schemas.ProbeKind) schemas.ProbeKind {
	if k == schemas.KindFexit {
		return schemas.KindKretprobe
	}
	return schemas.KindKprobe
}

// kernelGlob finds the functions that a glob matches, without those that cannot be probed.
func (f *finder) kernelGlob(p *spec.Probe, all []KernelFunc) ([]target, *missing) {
	var found []target
	var refused, several []string
	for i := 0; i < len(all); i++ {
		k := all[i]
		n := 1
		for i+1 < len(all) && all[i+1].Name == k.Name {
			i, n = i+1, n+1
		}
		if !matchGlob(p.Name.Text, k.Name) || p.Group.Given() && !matchGlob(p.Group.Text, moduleName(k)) || compilerPart(k.Name) {
			continue
		}
		switch {
		case n > 1:
			several = append(several, k.Name)
		case f.cannotTrace(p, k) != nil:
			refused = append(refused, k.Name)
		default:
			found = append(found, f.kernelTarget(p, k, true))
		}
	}
	if len(refused) > 0 {
		f.note("%s: left out %s that cannot be traced", p.Text, joined(refused, "function"))
	}
	if len(several) > 0 {
		f.note("%s: left out %s that several functions have", p.Text, joined(several, "name"))
	}
	if len(found) > 0 {
		return found, nil
	}
	if len(refused) > 0 {
		return nil, wrong(p.Name, nil, "of the functions that match %q, none can be traced: %s", p.Name.Text, joined(refused, "function"))
	}
	if p.Group.Given() {
		if m := f.noModule(p); m != nil {
			return nil, m
		}
	}
	return nil, absent(p.Name, nil, "no kernel function matches %q", p.Name.Text)
}

// compilerPart reports whether a symbol is a piece that the compiler or the build made beside a function: no function that anybody calls.
func compilerPart(name string) bool {
	return strings.Contains(name, ".cold") || strings.HasPrefix(name, "__pfx_") || strings.HasPrefix(name, "__cfi_")
}

// noModule says what is wrong with the module of a probe; nil where it is loaded.
func (f *finder) noModule(p *spec.Probe) *missing {
	group := p.Group.Text
	if group == kernelImage || isGlob(group) {
		return nil
	}
	modules, err := f.host.Modules()
	if err != nil {
		return unreadable(p.Group, "module "+group, err)
	}
	var loaded []string
	for _, m := range modules {
		if m.Name == group {
			switch {
			case m.Loaded:
				return nil
			case m.Builtin:
				return absent(p.Group, []string{fmt.Sprintf("write %s:%s", p.Kind, p.Name.Text)}, "module %s is part of this kernel's image, and its functions are the kernel's", group)
			}
			return absent(p.Group, []string{"load it: modprobe " + group}, "module %s is not loaded", group)
		}
		if m.Loaded {
			loaded = append(loaded, m.Name)
		}
	}
	return absent(p.Group, expr.Meant(group, loaded), "there is no module %q", group)
}

// noKernelFunction says why there is no function of a name.
func (f *finder) noKernelFunction(p *spec.Probe, all []KernelFunc) *missing {
	name := p.Name.Text
	if p.Group.Given() {
		if m := f.noModule(p); m != nil {
			return m
		}
		if other := functionsNamed(all, name); len(other) > 0 {
			return absent(p.Group, []string{fmt.Sprintf("write %s:%s:%s", p.Kind, moduleName(other[0]), name)}, "%s is not in %s, but in %s", name, p.Group.Text, moduleName(other[0]))
		}
	}
	// What the compiler left of it says what it did with it.
	parts, clones := compilerPieces(all, name)
	switch {
	case len(clones) > 0:
		return absent(p.Name, []string{fmt.Sprintf("probe the copy: %s:%s (its arguments may not be those of the source)", p.Kind, clones[0])},
			"there is no function %q any more: the compiler made %s of it", name, list(clones))
	case len(parts) > 0:
		return absent(p.Name, []string{"probe a function that calls it"}, "%s was inlined into its callers: only a part of it has a place of its own (%s)", name, parts[0])
	}
	names := make([]string, 0, len(all))
	for _, k := range all {
		if !p.Group.Given() || moduleName(k) == p.Group.Text {
			names = append(names, k.Name)
		}
	}
	hints := expr.Meant(name, slices.Compact(names))
	if module := f.likelyModule(name); module != "" {
		hints = append(hints, fmt.Sprintf("module %s is not loaded: modprobe %s", module, module))
	}
	if proto, err := f.lookupIn("").proto(name); err == nil && proto != nil {
		return absent(p.Name, hints, "%s is described by this kernel's types and has no address: it was inlined into its callers", name)
	}
	if calls, err := f.host.Syscalls(); err == nil && p.Kind != schemas.KindFentry && p.Kind != schemas.KindFexit {
		for _, prefix := range append([]string{""}, syscallPrefixes...) {
			if rest, ok := strings.CutPrefix(name, prefix); ok && slices.ContainsFunc(calls, func(c Syscall) bool { return c.Name == rest }) {
				hints = append([]string{fmt.Sprintf("%s is a system call: syscall:%s", rest, rest)}, hints...)
				break
			}
		}
	}
	if len(hints) == 0 {
		hints = []string{"it may be inlined into its callers, or have another name in this kernel", "to see what there is: probetape probes 'kprobe:*" + name + "*'"}
	}
	where := "this kernel"
	if p.Group.Given() {
		where = p.Group.Text
	}
	return absent(p.Name, hints, "there is no function %q in %s", name, where)
}

// compilerPieces finds what a compiler made of a function that is not there under its own name: parts that were split off, and changed copies.
func compilerPieces(all []KernelFunc, name string) (parts, clones []string) {
	from := sort.Search(len(all), func(i int) bool { return all[i].Name >= name+"." })
	for _, k := range all[from:] {
		rest, ok := strings.CutPrefix(k.Name, name+".")
		if !ok {
			break
		}
		if strings.HasPrefix(rest, "part") || strings.Contains(rest, "cold") {
			parts = append(parts, k.Name)
		} else if len(clones) == 0 || clones[len(clones)-1] != k.Name {
			clones = append(clones, k.Name)
		}
	}
	return parts, clones
}

// likelyModule finds a module that is not loaded and whose name a function's name begins with: nf_conntrack for nf_conntrack_in.
func (f *finder) likelyModule(name string) string {
	modules, err := f.host.Modules()
	if err != nil {
		return "" // this is for a hint only
	}
	best := ""
	for _, m := range modules {
		if !m.Loaded && !m.Builtin && len(m.Name) > len(best) && len(m.Name) >= 3 && (strings.HasPrefix(name, m.Name+"_") || name == m.Name) {
			best = m.Name
		}
	}
	return best
}

func (f *finder) kernelTarget(p *spec.Probe, k KernelFunc, glob bool) target {
	t := target{
		site: Site{Site: schemas.Site{
			Kind: p.Kind, Name: k.Name, Module: k.Module, Symbol: k.Name, Offset: p.Offset, Address: k.Address,
		}, ArgCount: -1},
		probe: p, glob: glob,
	}
	if p.Offset > 0 {
		t.site.Name = fmt.Sprintf("%s+%#x", k.Name, p.Offset)
		if k.Address != 0 {
			t.site.Address += p.Offset
		}
	}
	t.names = func() *env { return f.kernelEnv(p.Kind, k, p.Offset) }
	return t
}

func (f *finder) kernelEnv(kind schemas.ProbeKind, k KernelFunc, offset uint64) *env {
	e := &env{
		kind: kind, what: k.Name, probe: fmt.Sprintf("%s:%s", kind, k.Name), fn: k.Name,
		space: spaceEither, types: f.lookupIn(k.Module), numbered: -1, slots: -1,
	}
	proto, err := e.types.proto(k.Name)
	switch {
	case err != nil:
		e.noArgs = noTypes(e.what, err)
	case proto == nil:
		e.noArgs = refuse(fmt.Sprintf("this kernel's types (BTF) do not have %s: its arguments have no names", k.Name), "arg0, arg1, ... are its arguments as plain numbers")
	default:
		layout := layoutRegisters
		if kind == schemas.KindFentry || kind == schemas.KindFexit {
			layout = layoutSlots
		}
		e.args, e.numbered = protoArguments(proto, spaceEither, layout)
		e.slots = trampolineSlots(proto)
		e.ret, e.noRet = protoResult(k.Name, proto, spaceEither)
		e.void = isVoid(proto.Return)
		e.errno = errnoResult(e.ret)
	}
	switch kind {
	case schemas.KindKprobe, schemas.KindFentry:
		e.noRet = refuse(fmt.Sprintf("a %s is at the function's entry, where there is no return value", kind),
			fmt.Sprintf("kcall:%s makes one event of the entry and the return, and has both", k.Name))
	case schemas.KindKretprobe:
		e.args, e.numbered = nil, 0
		e.noArgs = refuse("a kretprobe is at the function's return, where its arguments are gone",
			fmt.Sprintf("kcall:%s makes one event of the entry and the return, and has both", k.Name))
		e.noNumbered = e.noArgs
	}
	if offset > 0 {
		e.args, e.numbered = nil, intRegisters
		e.noArgs = refuse(fmt.Sprintf("inside a function its arguments may be anywhere: %s+%#x has none by name", k.Name, offset),
			"arg0 to arg5 are the registers that held them at the entry")
	}
	return e
}

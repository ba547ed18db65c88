package resolve

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"sort"
	"strings"

	"probetape/record/spec"
	"probetape/schemas"
	"probetape/schemas/expr"
)

// binaries finds the programs or libraries of a user probe.
func (f *finder) binaries(p *spec.Probe) ([]Binary, *missing) {
	name := p.Path.Text
	found, err := f.host.Binaries(name)
	switch {
	case err == nil && len(found) > 0:
		return found, nil
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return nil, wrong(p.Path, accessHints(err), "%s cannot be looked at: %v", name, cause(err))
	case isGlob(name):
		return nil, absent(p.Path, nil, "no program or library matches %s", name)
	}
	what := "program or library"
	if strings.Contains(name, "/") {
		what = "file"
	}
	var hints []string
	if names, err := f.host.Candidates(name); err == nil {
		hints = meantPath(name, names)
	}
	if len(hints) == 0 && !strings.Contains(name, "/") {
		hints = []string{"write its path: " + string(p.Kind.String()) + ":/usr/bin/" + name + ":..."}
	}
	return nil, absent(p.Path, hints, "there is no %s %s", what, name)
}

// meantPath proposes files: those beside the wanted one by their names alone, since the folder is right.
func meantPath(name string, paths []string) []string {
	dir, base := path.Split(name)
	var beside []string
	for _, p := range paths {
		if d, b := path.Split(p); d == dir {
			beside = append(beside, b)
		}
	}
	near := expr.Nearest(base, beside)
	if len(near) == 0 {
		return expr.Meant(name, paths)
	}
	for i := range near {
		near[i] = dir + near[i]
	}
	return expr.DidYouMean(near)
}

func (f *finder) userFunctions(p *spec.Probe) ([]target, *missing) {
	binaries, m := f.binaries(p)
	if m != nil {
		return nil, m
	}
	var found []target
	var first *missing
	for i := range binaries {
		targets, m := f.functionsOf(p, &binaries[i])
		if m != nil && first == nil {
			first = m
		}
		found = append(found, targets...)
	}
	if len(found) == 0 {
		return nil, first
	}
	return found, nil
}

// functionsOf finds a probe's functions in one binary.
func (f *finder) functionsOf(p *spec.Probe, b *Binary) ([]target, *missing) {
	if b.Go && p.Kind != schemas.KindUprobe {
		return nil, wrong(p, []string{"record the entries: uprobe:" + p.Path.Text + ":" + p.Name.Text},
			"%s is a Go program: its stacks move, and a probe at a function's return would crash it", b.Path)
	}
	if p.Address != nil {
		return f.atAddress(p, b)
	}
	symbols, err := f.host.Symbols(b.Path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, wrong(p.Path, accessHints(err), "reading the symbols of %s: %v", b.Path, err)
	}
	if isGlob(p.Name.Text) {
		return f.userGlob(p, b, symbols)
	}
	var found []target
	for _, s := range symbolsNamed(symbols, p.Name.Text) {
		if s.IFunc {
			return nil, indirect(p, b, s, symbols)
		}
		if p.Offset > 0 && s.Size > 0 && p.Offset >= s.Size {
			return nil, wrong(p.Name, nil, "%s has %d bytes: offset %#x is behind its end", s.Name, s.Size, p.Offset)
		}
		if !slices.ContainsFunc(found, func(t target) bool { return t.site.Address == s.Offset+p.Offset }) {
			found = append(found, f.userTarget(p, b, s, false))
		}
	}
	if len(found) == 0 {
		return nil, noSymbol(p, b, symbols)
	}
	if len(found) > 1 {
		f.note("%s: %d functions of %s have that name (static ones of different files), and all are recorded", p.Text, len(found), path.Base(b.Path))
	}
	return found, nil
}

func symbolsNamed(all []UserSymbol, name string) []UserSymbol {
	from := sort.Search(len(all), func(i int) bool { return all[i].Name >= name })
	to := from
	for to < len(all) && all[to].Name == name {
		to++
	}
	return all[from:to]
}

// indirect refuses a symbol whose function only chooses the one that will be called.
func indirect(p *spec.Probe, b *Binary, s UserSymbol, all []UserSymbol) *missing {
	var others []string
	for _, o := range all {
		if o.Name != s.Name && !o.IFunc && strings.Contains(o.Name, s.Name+"_") {
			others = append(others, o.Name)
		}
	}
	hints := []string{}
	if len(others) > 0 {
		hints = append(hints, "its implementations: "+list(others), fmt.Sprintf("all of them: %s:%s:*%s_*", p.Kind, p.Path.Text, s.Name))
	}
	return wrong(p.Name, hints, "%s of %s runs once, when the program is loaded, and chooses the function that is called from then on (ifunc)", s.Name, path.Base(b.Path))
}

// userGlob finds the functions of a binary that a glob matches. Names of one place are one site.
func (f *finder) userGlob(p *spec.Probe, b *Binary, symbols []UserSymbol) ([]target, *missing) {
	var found []target
	at := map[uint64]int{}
	var chosen, aliases []string
	for _, s := range symbols {
		if !matchGlob(p.Name.Text, s.Name) {
			continue
		}
		if s.IFunc {
			chosen = append(chosen, s.Name)
			continue
		}
		if i, ok := at[s.Offset]; ok {
			aliases = append(aliases, s.Name)
			if preferred(s.Name, found[i].site.Symbol) {
				aliases[len(aliases)-1] = found[i].site.Symbol
				found[i] = f.userTarget(p, b, s, true)
			}
			continue
		}
		at[s.Offset] = len(found)
		found = append(found, f.userTarget(p, b, s, true))
	}
	if len(chosen) > 0 {
		f.note("%s: left out %s that only choose the function that is called (ifunc)", p.Text, joined(chosen, "symbol"))
	}
	if len(aliases) > 0 {
		f.note("%s: %s of functions that are recorded by another name", p.Text, joined(aliases, "further name"))
	}
	if len(found) == 0 {
		m := noSymbol(p, b, symbols)
		m.message = fmt.Sprintf("no function of %s matches %q", path.Base(b.Path), p.Name.Text)
		return nil, m
	}
	return found, nil
}

// preferred reports whether a is the better of two names of one place: the one that programs call, which has fewer underscores before it.
func preferred(a, b string) bool {
	underscores := func(s string) int { return len(s) - len(strings.TrimLeft(s, "_")) }
	if x, y := underscores(a), underscores(b); x != y {
		return x < y
	}
	return len(a) < len(b)
}

// noSymbol says that a binary has no function of a name, what its tables hold, and what would bring more.
func noSymbol(p *spec.Probe, b *Binary, symbols []UserSymbol) *missing {
	name := p.Name.Text
	names := make([]string, len(symbols))
	for i, s := range symbols {
		names[i] = s.Name
	}
	hints := expr.Meant(name, slices.Compact(names))
	hints = append(hints, tables(b))
	if b.Symtab < 0 && b.DebugFile == "" {
		hints = append(hints, remedy(b))
	}
	return absent(p.Name, hints, "there is no function %q in %s", name, b.Path)
}

// tables says what a binary's symbol tables hold.
func tables(b *Binary) string {
	var parts []string
	switch {
	case b.Symtab >= 0:
		parts = append(parts, fmt.Sprintf(".symtab has %s (nm %s)", plural(b.Symtab, "function"), b.Path))
	default:
		parts = append(parts, "it is stripped (no .symtab)")
	}
	switch {
	case b.Static:
		parts = append(parts, "it is statically linked (no .dynsym)")
	case b.Dynsym >= 0:
		parts = append(parts, fmt.Sprintf(".dynsym has %s (nm -D %s)", plural(b.Dynsym, "function"), b.Path))
	}
	if b.DebugFile != "" {
		parts = append(parts, "debug symbols: "+b.DebugFile)
	}
	if b.BuildID != "" {
		parts = append(parts, "build-id "+b.BuildID)
	}
	return strings.Join(parts, "; ")
}

// remedy says how a stripped binary gets its names back.
func remedy(b *Binary) string {
	if len(b.BuildID) > 2 {
		return fmt.Sprintf("static functions need symbols: install its debug package (/usr/lib/debug/.build-id/%s/%s.debug), or rebuild it with -g and without strip",
			b.BuildID[:2], b.BuildID[2:])
	}
	return "static functions need symbols: rebuild it with -g and without strip"
}

// atAddress finds the place of a virtual address.
func (f *finder) atAddress(p *spec.Probe, b *Binary) ([]target, *missing) {
	address := *p.Address
	for _, seg := range b.Text {
		if address < seg.Address || address-seg.Address >= seg.Size {
			continue
		}
		s := UserSymbol{Name: fmt.Sprintf("%#x", address), Address: address, Offset: seg.Offset + address - seg.Address}
		t := f.userTarget(p, b, s, false)
		t.site.Symbol = ""
		t.names = func() *env { return f.userEnv(p.Kind, b, s, 1) }
		return []target{t}, nil
	}
	var hints []string
	for _, seg := range b.Text[:min(len(b.Text), maxMeant)] {
		hints = append(hints, fmt.Sprintf("its code is at %#x to %#x", seg.Address, seg.Address+seg.Size))
	}
	return nil, absent(p, hints, "there is no code at address %#x of %s", address, b.Path)
}

func (f *finder) userTarget(p *spec.Probe, b *Binary, s UserSymbol, glob bool) target {
	t := target{
		site: Site{Site: schemas.Site{
			Kind: p.Kind, Name: s.Name, Module: b.Path, BuildID: b.BuildID, Symbol: s.Name, Offset: p.Offset, Address: s.Offset + p.Offset,
		}, ArgCount: -1},
		probe: p, glob: glob,
	}
	if p.Offset > 0 {
		t.site.Name = fmt.Sprintf("%s+%#x", s.Name, p.Offset)
	}
	t.names = func() *env { return f.userEnv(p.Kind, b, s, p.Offset) }
	return t
}

// goRegisters hold the arguments of Go functions (ABIInternal of x86-64, Go 1.17).
var goRegisters = []string{"rax", "rbx", "rcx", "rdi", "rsi", "r8", "r9", "r10", "r11"}

func (f *finder) userEnv(kind schemas.ProbeKind, b *Binary, s UserSymbol, offset uint64) *env {
	file := path.Base(b.Path)
	e := &env{
		kind: kind, what: fmt.Sprintf("%s of %s", s.Name, file), probe: fmt.Sprintf("%s:%s:%s", kind, b.Path, s.Name), fn: s.Name,
		space: spaceUser, types: f.lookupIn(""), numbered: -1,
	}
	numbers := "arg0, arg1, ... are its arguments as plain numbers"
	switch {
	case b.Go:
		e.noArgs = refuse(fmt.Sprintf("the arguments of Go functions have no names here: %s", e.what), "arg0 to arg8 are the registers that hold them: a string takes two, a slice three")
		e.registers, e.numbered = goRegisters, len(goRegisters)
	case offset > 0:
		e.noArgs = refuse("inside a function its arguments may be anywhere", "arg0 to arg5 are the registers that held them at the entry")
		e.numbered = intRegisters
	case !b.Dwarf:
		hints := []string{numbers}
		if b.BuildID != "" {
			hints = append(hints, "install its debug package, or build it with -g (build-id "+b.BuildID+")")
		} else {
			hints = append(hints, "build it with -g")
		}
		e.noArgs = refuse(fmt.Sprintf("%s has no debug information (DWARF): arguments have no names", file), hints...)
	case f.wants.any():
		f.userProto(e, b, s, numbers)
	}
	switch kind {
	case schemas.KindUprobe:
		e.noRet = refuse("a uprobe is at the function's entry, where there is no return value",
			fmt.Sprintf("ucall:%s:%s makes one event of the entry and the return, and has both", b.Path, s.Name))
		if offset > 0 {
			e.noRet.hints = nil
		}
	case schemas.KindUretprobe:
		e.args, e.numbered = nil, 0
		e.noArgs = refuse("a uretprobe is at the function's return, where its arguments are gone",
			fmt.Sprintf("ucall:%s:%s makes one event of the entry and the return, and has both", b.Path, s.Name))
		e.noNumbered = e.noArgs
	}
	return e
}

// userProto takes what debug information says of a function.
func (f *finder) userProto(e *env, b *Binary, s UserSymbol, numbers string) {
	proto, err := f.host.UserProto(b.Path, s.Name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		e.noArgs = refuse(fmt.Sprintf("the debug information of %s does not have %s: its arguments have no names", path.Base(b.Path), s.Name), numbers)
	case err != nil:
		e.noArgs = refuse(fmt.Sprintf("the arguments of %s cannot be read: %v", e.what, err), accessHints(err, numbers)...)
	default:
		e.types.user = proto
		e.args, e.numbered = protoArguments(proto, spaceUser, layoutRegisters)
		e.ret, e.noRet = protoResult(s.Name, proto, spaceUser)
		e.void = isVoid(proto.Return)
	}
}

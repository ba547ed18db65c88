package host

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"

	"probetape/record/host/kallsyms"
	"probetape/record/resolve"
)

func (h *Host) listModules() ([]resolve.Module, error) {
	byName := map[string]resolve.Module{}
	loaded, err := os.ReadFile(h.at("/proc/modules"))
	switch {
	case errors.Is(err, fs.ErrNotExist): // a kernel without CONFIG_MODULES
	case err != nil:
		return nil, access("the list of loaded modules", "/proc/modules", err)
	}
	for line := range strings.Lines(string(loaded)) {
		if name, _, ok := strings.Cut(line, " "); ok {
			byName[name] = resolve.Module{Name: name, Loaded: true}
		}
	}
	for _, file := range []string{"modules.builtin", "modules.dep"} {
		if h.release == "" {
			break
		}
		text, err := h.moduleFile(file)
		if err != nil {
			return nil, err
		}
		for line := range strings.Lines(text) {
			name := moduleName(line)
			if _, known := byName[name]; !known && name != "" {
				byName[name] = resolve.Module{Name: name, Builtin: file == "modules.builtin"}
			}
		}
	}
	list := make([]resolve.Module, 0, len(byName))
	for _, m := range byName {
		list = append(list, m)
	}
	slices.SortFunc(list, func(a, b resolve.Module) int { return strings.Compare(a.Name, b.Name) })
	return list, nil
}

// moduleFile reads a file beside the running kernel's modules; a kernel whose modules are not installed has none.
func (h *Host) moduleFile(name string) (string, error) {
	for _, dir := range []string{"/lib/modules/", "/usr/lib/modules/"} {
		path := dir + h.release + "/" + name
		text, err := os.ReadFile(h.at(path))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		return string(text), access("the list of installed modules", path, err)
	}
	return "", nil
}

// moduleName makes "kernel/fs/nls/nls_iso8859-1.ko.xz: ..." into nls_iso8859_1, the name that the kernel knows the module by.
func moduleName(line string) string {
	path, _, _ := strings.Cut(strings.TrimSpace(line), ":")
	name, _, ok := strings.Cut(path[strings.LastIndexByte(path, '/')+1:], ".ko")
	if !ok {
		return ""
	}
	return strings.ReplaceAll(name, "-", "_")
}

// listKernelFuncs reads 120,000 lines of kallsyms.
func (h *Host) listKernelFuncs() ([]resolve.KernelFunc, error) {
	const symbols = "/proc/kallsyms"
	text, err := h.readLarge(symbols)
	if err != nil {
		return nil, access("the kernel's functions", symbols, err, "this kernel was built without CONFIG_KALLSYMS")
	}
	funcs, err := kernelFuncs(text)
	if err != nil {
		return nil, access("the kernel's functions", symbols, err)
	}
	h.markNotrace(funcs)
	h.markBlacklisted(funcs)
	slices.SortStableFunc(funcs, func(a, b resolve.KernelFunc) int { return strings.Compare(a.Name, b.Name) })
	return funcs, nil
}

// kernelFuncs takes the functions out of a text of kallsyms, sorted by address.
//
// Left out is what is listed as code and is no function: padding in front of functions (__pfx_, __cfi_), the split-off cold parts, labels
// around sections, loaded BPF programs and trampolines, and the initialisation code that the kernel has thrown away.
func kernelFuncs(text string) ([]resolve.KernelFunc, error) {
	type end struct {
		addr   uint64
		module string
	}
	funcs := make([]resolve.KernelFunc, 0, strings.Count(text, "\n")/2)
	ends := make([]end, 0, strings.Count(text, "\n")) // every symbol: a function ends where the next one of its module begins
	var initFrom, initTo uint64
	err := kallsyms.Each(text, func(s kallsyms.Symbol) bool {
		if s.Address != 0 {
			ends = append(ends, end{s.Address, s.Module})
		}
		switch s.Name {
		case "_sinittext":
			initFrom = s.Address
		case "_einittext":
			initTo = s.Address
		}
		if s.Function() && isFunction(s.Name, s.Module) {
			funcs = append(funcs, resolve.KernelFunc{Name: s.Name, Module: s.Module, Address: s.Address})
		}
		return true
	})
	if err != nil {
		return nil, err
	}
	if initTo > initFrom {
		funcs = slices.DeleteFunc(funcs, func(f resolve.KernelFunc) bool {
			return f.Module == "" && f.Address >= initFrom && f.Address < initTo
		})
	}
	// The kernel's own are sorted already, modules' are not.
	slices.SortStableFunc(ends, func(a, b end) int { return cmp.Compare(a.addr, b.addr) })
	slices.SortStableFunc(funcs, func(a, b resolve.KernelFunc) int { return cmp.Compare(a.Address, b.Address) })
	next := 0
	for i := range funcs {
		f := &funcs[i]
		for next < len(ends) && ends[next].addr <= f.Address {
			next++
		}
		if f.Address != 0 && next < len(ends) && ends[next].module == f.Module && ends[next].addr-f.Address < maxFunc {
			f.Size = ends[next].addr - f.Address
		}
	}
	return funcs, nil
}

// maxFunc is more than any function has: a longer distance is a gap between sections.
const maxFunc = 1 << 20

func isFunction(name, module string) bool {
	if module == "bpf" || strings.HasPrefix(module, "__builtin__") {
		return false
	}
	switch name {
	case "_text", "_stext", "_etext", "_sinittext", "_einittext":
		return false
	}
	if strings.HasPrefix(name, "__pfx_") || strings.HasPrefix(name, "__cfi_") {
		return false
	}
	return !strings.HasSuffix(name, ".cold") && !strings.Contains(name, ".cold.")
}

// markNotrace marks what ftrace does not list. Where its list cannot be read nothing is known, and nothing is marked.
func (h *Host) markNotrace(funcs []resolve.KernelFunc) {
	f, err := h.tracefs()
	if err != nil {
		return
	}
	text, err := os.ReadFile(f.Root + "/available_filter_functions")
	if err != nil {
		return
	}
	traced := kallsyms.FilterFunctions(string(text))
	if len(traced) == 0 {
		return
	}
	known := make(map[kallsyms.Function]struct{}, len(traced))
	for _, t := range traced {
		known[t] = struct{}{}
	}
	for i := range funcs {
		_, ok := known[kallsyms.Function{Name: funcs[i].Name, Module: funcs[i].Module}]
		funcs[i].Notrace = !ok
	}
}

// markBlacklisted marks the functions that kprobes refuse, by address where addresses are shown, else by name. funcs is sorted by address.
func (h *Host) markBlacklisted(funcs []resolve.KernelFunc) {
	text, err := os.ReadFile(h.at("/sys/kernel/debug/kprobes/blacklist"))
	if err != nil {
		return // debugfs is not mounted, or not for us: nothing is known
	}
	ranges, err := kallsyms.Blacklist(text)
	if err != nil {
		return
	}
	names := map[string]bool{}
	for _, r := range ranges {
		if r.From == 0 || r.To <= r.From {
			names[r.Name] = true
			continue
		}
		i, _ := slices.BinarySearchFunc(funcs, r.From, func(f resolve.KernelFunc, from uint64) int { return cmp.Compare(f.Address, from) })
		for ; i < len(funcs) && funcs[i].Address < r.To; i++ {
			funcs[i].Blacklisted = true
		}
	}
	for i := range funcs {
		if names[funcs[i].Name] {
			funcs[i].Blacklisted = true
		}
	}
}

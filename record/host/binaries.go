package host

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/cilium/ebpf/btf"

	"probetape/record/host/debuginfo"
	"probetape/record/host/elfsym"
	"probetape/record/host/usdt"
	"probetape/record/resolve"
)

// executable is what is known of one program or library. The file stays open, so that a later replacement does not mix two files.
type executable struct {
	host  *Host
	info  resolve.Binary
	file  *elfsym.File
	debug *elfsym.File // separate debug file; nil: none

	symbols     func() ([]resolve.UserSymbol, error)
	sourceNames func() ([]resolve.UserSymbol, error)
	usdt        func() ([]resolve.USDT, error)
	debugInfo   func() (*debuginfo.Info, error)
	protos      memo[string, *btf.FuncProto]
}

// Binaries implements resolve.Host.
func (h *Host) Binaries(name string) ([]resolve.Binary, error) {
	paths, glob, err := h.findBinaries(name)
	if err != nil {
		return nil, err
	}
	var list []resolve.Binary
	for _, p := range paths {
		b, err := h.executable(p)
		var format *elfsym.FormatError
		if glob && (errors.As(err, &format) || errors.Is(err, fs.ErrNotExist)) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(list, func(have resolve.Binary) bool { return have.Path == b.info.Path }) {
			list = append(list, b.info)
		}
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("no program or library matches %q: %w", name, fs.ErrNotExist)
	}
	slices.SortFunc(list, func(a, b resolve.Binary) int { return strings.Compare(a.Path, b.Path) })
	return list, nil
}

// findBinaries returns the paths that a name means; glob: they matched a pattern, and some may be something else.
func (h *Host) findBinaries(name string) (paths []string, glob bool, err error) {
	switch {
	case name == "" || strings.ContainsRune(name, 0):
		return nil, false, fmt.Errorf("finding binary %q: %w", name, fs.ErrNotExist)
	case strings.Contains(name, "/"):
		if !path.IsAbs(name) && h.running {
			if name, err = filepath.Abs(name); err != nil {
				return nil, false, err
			}
		}
		if strings.ContainsAny(name, "*?") {
			paths, err = h.glob(name)
			return paths, true, err
		}
		return []string{name}, false, nil
	}
	library, program := func() ([]string, error) { return h.findLibrary(name) }, func() ([]string, error) {
		if file := h.findProgram(name); file != "" {
			return []string{file}, nil
		}
		return nil, nil
	}
	order := []func() ([]string, error){program, library}
	if strings.HasPrefix(name, "lib") || strings.Contains(name, ".so") {
		slices.Reverse(order)
	}
	for _, find := range order {
		if paths, err = find(); err != nil || len(paths) > 0 {
			return paths, false, err
		}
	}
	return nil, false, fmt.Errorf("there is no program %q in PATH and no such library: %w", name, fs.ErrNotExist)
}

// glob returns the paths that match a pattern in which * and ? are special and nothing else is.
func (h *Host) glob(pattern string) ([]string, error) {
	escape := strings.NewReplacer(`\`, `\\`, `[`, `\[`)
	root := ""
	if !h.running {
		root = strings.NewReplacer(`\`, `\\`, `[`, `\[`, `*`, `\*`, `?`, `\?`).Replace(h.root)
	}
	found, err := filepath.Glob(root + escape.Replace(pattern))
	if err != nil {
		return nil, fmt.Errorf("finding %q: %w", pattern, err)
	}
	for i := range found {
		if !h.running {
			found[i] = filepath.ToSlash(strings.TrimPrefix(found[i], h.root))
		}
	}
	return found, nil
}

// executable opens the file at a path.
func (h *Host) executable(name string) (*executable, error) {
	return h.executables.get(name, func() (*executable, error) {
		real, err := h.follow(name)
		if err != nil {
			return nil, access("a program or library", name, err)
		}
		if real != name {
			return h.executable(real)
		}
		b, err := h.openBinary(real)
		if err != nil {
			return nil, fmt.Errorf("%s %w", real, err)
		}
		return b, nil
	})
}

func (h *Host) openBinary(name string) (*executable, error) {
	b := &executable{host: h, info: resolve.Binary{Path: name}}
	var err error
	if b.file, err = elfsym.Open(h.at(name)); err != nil {
		return nil, err
	}
	if b.info.BuildID, err = b.file.BuildID(); err != nil {
		return nil, err
	}
	linkage, err := b.file.Linkage()
	if err != nil {
		return nil, err
	}
	b.info.Static = linkage.Static(b.file)
	b.info.Go = b.file.Go()
	for _, p := range b.file.Code() {
		b.info.Text = append(b.info.Text, resolve.Segment{Address: p.Vaddr, Offset: p.Off, Size: p.Filesz})
	}
	for _, t := range []struct {
		table elfsym.Table
		into  *int
	}{{elfsym.Symtab, &b.info.Symtab}, {elfsym.Dynsym, &b.info.Dynsym}} {
		if *t.into, err = b.file.CountFunctions(t.table); err != nil {
			return nil, err
		}
	}
	if b.info.DebugFile, b.debug, err = h.findDebugFile(b); err != nil {
		return nil, err
	}
	for _, f := range []*elfsym.File{b.file, b.debug} {
		b.info.Dwarf = b.info.Dwarf || debuginfo.Has(f)
	}
	b.symbols = sync.OnceValues(b.listSymbols)
	b.sourceNames = sync.OnceValues(b.listSourceNames)
	b.usdt = sync.OnceValues(b.listUSDT)
	b.debugInfo = sync.OnceValues(b.openDebugInfo)
	return b, nil
}

// findDebugFile looks for the file that the debug information was moved to: by build-id, then by the name in the file and that file's checksum.
func (h *Host) findDebugFile(b *executable) (string, *elfsym.File, error) {
	const debugDir = "/usr/lib/debug"
	root, name := containerRoot(b.info.Path)
	if id := b.info.BuildID; len(id) > 2 {
		file := debugDir + "/.build-id/" + id[:2] + "/" + id[2:] + ".debug"
		for _, r := range slices.Compact([]string{root, ""}) {
			if f, err := elfsym.Open(h.at(r + file)); err == nil {
				if have, err := f.BuildID(); err == nil && have == id {
					return r + file, f, nil
				}
			}
		}
	}
	link, sum, ok, err := b.file.DebugLink()
	if err != nil || !ok {
		return "", nil, err
	}
	dir := path.Dir(name)
	for _, at := range []string{dir, dir + "/.debug", debugDir + dir, debugDir + strings.TrimPrefix(dir, "/usr")} {
		file := root + at + "/" + link
		if file == b.info.Path {
			continue
		}
		f, err := elfsym.Open(h.at(file))
		if err != nil {
			continue // not there, or no file of symbols
		}
		if have, err := f.Checksum(); err == nil && have == sum {
			return file, f, nil
		}
	}
	return "", nil, nil
}

// Symbols implements resolve.Host.
func (h *Host) Symbols(name string) ([]resolve.UserSymbol, error) {
	b, err := h.executable(name)
	if err != nil {
		return nil, err
	}
	return b.symbols()
}

// SourceNames lists the C++ and Rust functions of a binary by their names in the source, sorted by them: each without its parameters
// (std::vector<int>::push_back) and, where it says them, with them. Overloaded functions have one name without.
//
// It is for names that Symbols does not have: decoding 48,000 symbols of a Java virtual machine takes 300 ms.
func (h *Host) SourceNames(name string) ([]resolve.UserSymbol, error) {
	b, err := h.executable(name)
	if err != nil {
		return nil, err
	}
	return b.sourceNames()
}

// USDT implements resolve.Host.
func (h *Host) USDT(name string) ([]resolve.USDT, error) {
	b, err := h.executable(name)
	if err != nil {
		return nil, err
	}
	return b.usdt()
}

// UserProto implements resolve.Host.
func (h *Host) UserProto(name, symbol string) (*btf.FuncProto, error) {
	b, err := h.executable(name)
	if err != nil {
		return nil, err
	}
	return b.protos.get(symbol, func() (*btf.FuncProto, error) { return b.proto(symbol) })
}

func (e *executable) listUSDT() ([]resolve.USDT, error) {
	probes, err := usdt.Probes(e.file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", e.info.Path, err)
	}
	list := make([]resolve.USDT, len(probes))
	for i, p := range probes {
		list[i] = resolve.USDT{Provider: p.Provider, Name: p.Name, Offset: p.Offset, Semaphore: p.Semaphore, Args: p.Args}
	}
	return list, nil
}

// Candidates implements resolve.Host.
func (h *Host) Candidates(name string) ([]string, error) {
	var list []string
	if strings.Contains(name, "/") {
		dir := path.Dir(name)
		entries, err := os.ReadDir(h.at(dir))
		if err != nil {
			return nil, access("a folder", dir, err)
		}
		for _, e := range entries {
			list = append(list, path.Join(dir, e.Name()))
		}
		slices.Sort(list)
		return list, nil
	}
	for _, dir := range h.pathDirs() {
		entries, err := os.ReadDir(h.at(dir))
		if err != nil {
			continue // PATH names folders that are not there
		}
		for _, e := range entries {
			list = append(list, e.Name())
		}
	}
	libraries, err := h.libraries()
	if err != nil {
		return nil, err
	}
	for _, l := range libraries {
		list = append(list, l.Soname)
		if short, _, ok := strings.Cut(l.Soname, ".so"); ok {
			list = append(list, short)
		}
	}
	slices.Sort(list)
	return slices.Compact(list), nil
}

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

// executable is what is known of one program or library. Its files are opened anew for each question: a glob can match more of them than a
// process may have open.
type executable struct {
	host  *Host
	info  resolve.Binary
	file  *elfsym.File // closed: which file it was
	debug *elfsym.File // separate debug file, the same way; nil: none

	symbols     func() ([]resolve.UserSymbol, error)
	sourceNames func() ([]resolve.UserSymbol, error)
	usdt        func() ([]resolve.USDT, error)
	debugInfo   func() (*debuginfo.Info, error)
	protos      memo[string, *btf.FuncProto]
}

// read opens the files, hands them to do and closes them. debug is nil where there is no separate debug file.
func (e *executable) read(do func(file, debug *elfsym.File) error) error {
	file, err := e.host.reopen(e.info.Path, e.file)
	if err != nil {
		return err
	}
	var debug *elfsym.File
	if e.debug != nil {
		if debug, err = e.host.reopen(e.info.DebugFile, e.debug); err != nil {
			return errors.Join(err, file.Close())
		}
	}
	if err = do(file, debug); err != nil {
		err = fmt.Errorf("%s: %w", e.info.Path, err)
	}
	if debug != nil {
		err = errors.Join(err, debug.Close())
	}
	return errors.Join(err, file.Close())
}

// reopen opens a file that was opened before.
func (h *Host) reopen(name string, earlier *elfsym.File) (*elfsym.File, error) {
	f, err := elfsym.Open(h.at(name))
	if err != nil {
		return nil, access("a program or library", name, err)
	}
	if !f.Same(earlier) {
		return nil, errors.Join(fmt.Errorf("%s was replaced while its probes were looked up", name), f.Close())
	}
	return f, nil
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
	f, err := elfsym.Open(h.at(name))
	if err != nil {
		return nil, err
	}
	e := &executable{host: h, info: resolve.Binary{Path: name}, file: f}
	if err := errors.Join(e.describe(), f.Close()); err != nil {
		return nil, err
	}
	e.symbols = sync.OnceValues(e.listSymbols)
	e.sourceNames = sync.OnceValues(e.listSourceNames)
	e.usdt = sync.OnceValues(e.listUSDT)
	e.debugInfo = sync.OnceValues(e.openDebugInfo)
	return e, nil
}

// describe fills in what is known of a binary without being asked. Its file is open.
func (e *executable) describe() error {
	var err error
	if e.info.BuildID, err = e.file.BuildID(); err != nil {
		return err
	}
	linkage, err := e.file.Linkage()
	if err != nil {
		return err
	}
	e.info.Static = linkage.Static(e.file)
	e.info.Go = e.file.Go()
	for _, p := range e.file.Code() {
		e.info.Text = append(e.info.Text, resolve.Segment{Address: p.Vaddr, Offset: p.Off, Size: p.Filesz})
	}
	if e.info.Symtab, err = e.file.CountFunctions(elfsym.Symtab); err != nil {
		return err
	}
	if e.info.Dynsym, err = e.file.CountFunctions(elfsym.Dynsym); err != nil {
		return err
	}
	e.info.Dwarf = debuginfo.Has(e.file)
	if e.info.DebugFile, e.debug, err = e.host.findDebugFile(e); err != nil || e.debug == nil {
		return err
	}
	e.info.Dwarf = e.info.Dwarf || debuginfo.Has(e.debug)
	return e.debug.Close()
}

// findDebugFile looks for the file that the debug information was moved to: by build-id, then by the name in the file and that file's checksum.
func (h *Host) findDebugFile(e *executable) (string, *elfsym.File, error) {
	const debugDir = "/usr/lib/debug"
	root, name := containerRoot(e.info.Path)
	if id := e.info.BuildID; len(id) > 2 {
		file := debugDir + "/.build-id/" + id[:2] + "/" + id[2:] + ".debug"
		for _, r := range slices.Compact([]string{root, ""}) {
			f, err := h.openIf(r+file, func(f *elfsym.File) bool { have, err := f.BuildID(); return err == nil && have == id })
			if err != nil || f != nil {
				return r + file, f, err
			}
		}
	}
	link, sum, ok, err := e.file.DebugLink()
	if err != nil || !ok {
		return "", nil, err
	}
	dir := path.Dir(name)
	for _, at := range []string{dir, dir + "/.debug", debugDir + dir, debugDir + strings.TrimPrefix(dir, "/usr")} {
		file := root + path.Join(at, link)
		if file == e.info.Path {
			continue
		}
		f, err := h.openIf(file, func(f *elfsym.File) bool { have, err := f.Checksum(); return err == nil && have == sum })
		if err != nil || f != nil {
			return file, f, err
		}
	}
	return "", nil, nil
}

// openIf opens a file that may or may not be there, and be the one that is looked for; nil: it is not.
func (h *Host) openIf(name string, fits func(*elfsym.File) bool) (*elfsym.File, error) {
	f, err := elfsym.Open(h.at(name))
	if err != nil {
		return nil, nil // not there, not for us, or something else: then there is no debug file
	}
	if !fits(f) {
		return nil, f.Close()
	}
	return f, nil
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
	var list []resolve.USDT
	err := e.read(func(file, _ *elfsym.File) error {
		probes, err := usdt.Probes(file)
		for _, p := range probes {
			list = append(list, resolve.USDT{Provider: p.Provider, Name: p.Name, Offset: p.Offset, Semaphore: p.Semaphore, Args: p.Args})
		}
		return err
	})
	return list, err
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

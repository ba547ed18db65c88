package host

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/cilium/ebpf/btf"

	"probetape/record/host/debuginfo"
	"probetape/record/host/elfsym"
	"probetape/record/host/kallsyms"
	"probetape/record/resolve"
)

// InlinedError says that a function of the source has no code of its own: the compiler made it part of those that call it.
type InlinedError struct {
	Name string
	Into []string // some of those
}

func (e *InlinedError) Error() string {
	return fmt.Sprintf("the function %q is inlined everywhere: it has no code of its own", e.Name)
}

// Is makes it an fs.ErrNotExist.
func (e *InlinedError) Is(target error) bool { return target == fs.ErrNotExist }

// Hints names functions that hold its code.
func (e *InlinedError) Hints() []string {
	if len(e.Into) == 0 {
		return nil
	}
	return []string{"its code is in " + strings.Join(e.Into, ", ")}
}

// ParamsError says why a function's parameters are not known by name although the function is.
type ParamsError struct {
	Name string
	Why  string
}

func (e *ParamsError) Error() string { return e.Why }

// proto finds a function's prototype by its symbol, or by its name in the source.
func (e *executable) proto(symbol string) (*btf.FuncProto, error) {
	if !e.info.Dwarf {
		return nil, fmt.Errorf("%s has no debug information: %w", e.info.Path, fs.ErrNotExist)
	}
	if e.info.Go {
		return nil, &ParamsError{symbol, "functions of Go pass arguments in registers of their own"}
	}
	found, err := e.find(symbol)
	if err != nil {
		return nil, err
	}
	info, err := e.debugInfo()
	if err != nil {
		return nil, err
	}
	if found == nil {
		inlined, err := info.Inlined(symbol)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", e.info.Path, err)
		}
		if inlined != nil {
			return nil, &InlinedError{inlined.Name, inlined.Into}
		}
		return nil, fmt.Errorf("there is no function %q in %s: %w", symbol, e.info.Path, fs.ErrNotExist)
	}
	if base, kind := kallsyms.Base(found.Name); kind != "" && kind != "cold" {
		return nil, &ParamsError{symbol, fmt.Sprintf("the compiler made it from %s with other parameters (%s)", base, kind)}
	}
	proto, err := info.Proto(found.Address)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", e.info.Path, err)
	}
	return proto, nil
}

// find returns a function by its symbol or its name in the source; nil: there is none.
func (e *executable) find(name string) (*resolve.UserSymbol, error) {
	for _, read := range []func() ([]resolve.UserSymbol, error){e.symbols, e.sourceNames} {
		list, err := read()
		if err != nil {
			return nil, err
		}
		at, ok := slices.BinarySearchFunc(list, name, func(s resolve.UserSymbol, name string) int { return strings.Compare(s.Name, name) })
		if ok {
			return &list[at], nil
		}
	}
	return nil, nil
}

// openDebugInfo reads the debug information of a program or of its debug file.
func (e *executable) openDebugInfo() (*debuginfo.Info, error) {
	var info *debuginfo.Info
	err := e.read(func(file, debug *elfsym.File) error {
		dir := path.Dir(e.info.Path)
		if !debuginfo.Has(file) {
			file, dir = debug, path.Dir(e.info.DebugFile)
		}
		name, id, err := debuginfo.AltLink(file)
		if err != nil {
			return err
		}
		var alt *elfsym.File
		if name != "" {
			if !path.IsAbs(name) {
				name = path.Join(dir, name)
			}
			// Without the shared file the names and types that are only there are unknown, and the rest is right.
			alt, err = e.host.openIf(name, func(f *elfsym.File) bool { have, err := f.BuildID(); return err == nil && have == id })
			if err != nil {
				return err
			}
		}
		info, err = debuginfo.New(file, alt)
		if alt != nil {
			err = errors.Join(err, alt.Close())
		}
		return err
	})
	return info, err
}

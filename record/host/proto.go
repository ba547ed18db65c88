package host

import (
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
type ParamsError struct{ Name, Why string }

func (e *ParamsError) Error() string { return fmt.Sprintf("parameters of %s: %s", e.Name, e.Why) }

// Is makes it an fs.ErrNotExist.
func (e *ParamsError) Is(target error) bool { return target == fs.ErrNotExist }

// proto finds a function's prototype.
func (e *executable) proto(symbol string) (*btf.FuncProto, error) {
	list, err := e.symbols()
	if err != nil {
		return nil, err
	}
	at, found := slices.BinarySearchFunc(list, symbol, func(s resolve.UserSymbol, name string) int { return strings.Compare(s.Name, name) })
	if !e.info.Dwarf {
		return nil, &ParamsError{symbol, "there is no debug information (" + e.info.Path + " was built without -g, or stripped and its debug package is not installed)"}
	}
	if e.info.Go {
		return nil, &ParamsError{symbol, "functions of Go pass arguments in registers of their own"}
	}
	info, err := e.debugInfo()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", e.info.Path, err)
	}
	if !found {
		inlined, err := info.Inlined(symbol)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", e.info.Path, err)
		}
		if inlined != nil {
			return nil, &InlinedError{inlined.Name, inlined.Into}
		}
		return nil, fmt.Errorf("there is no function %q in %s: %w", symbol, e.info.Path, fs.ErrNotExist)
	}
	if base, kind := kallsyms.Base(symbol); kind != "" {
		return nil, &ParamsError{symbol, fmt.Sprintf("the compiler made it from %s (%s) with other parameters", base, kind)}
	}
	proto, err := info.Proto(list[at].Address)
	if err != nil {
		return nil, &ParamsError{symbol, err.Error()}
	}
	return proto, nil
}

// openDebugInfo reads the debug information of a program or of its debug file.
func (e *executable) openDebugInfo() (*debuginfo.Info, error) {
	file, dir := e.file, path.Dir(e.info.Path)
	if !debuginfo.Has(file) {
		file, dir = e.debug, path.Dir(e.info.DebugFile)
	}
	name, id, err := debuginfo.AltLink(file)
	if err != nil {
		return nil, err
	}
	var alt *elfsym.File
	if name != "" {
		if !path.IsAbs(name) {
			name = path.Join(dir, name)
		}
		// Without the shared file the names and types that are only there are unknown, and the rest is right.
		if f, err := elfsym.Open(e.host.at(name)); err == nil {
			if have, err := f.BuildID(); err == nil && have == id {
				alt = f
			}
		}
	}
	return debuginfo.New(file, alt)
}

package host

import (
	"cmp"
	"debug/elf"
	"slices"
	"strings"

	"github.com/ianlancetaylor/demangle"

	"probetape/record/host/elfsym"
	"probetape/record/resolve"
)

// listSymbols merges the functions of a binary's tables, its debug file's and, of a stripped Go program, its line table's.
//
// A version that programs are no longer linked with keeps its version in the name (memcpy@GLIBC_2.2.5): it is another function than the one
// of the plain name.
func (e *executable) listSymbols() ([]resolve.UserSymbol, error) {
	var list []resolve.UserSymbol
	err := e.read(func(file, debug *elfsym.File) error {
		var err error
		list, err = e.mergeSymbols(file, debug)
		return err
	})
	return list, err
}

func (e *executable) mergeSymbols(file, debug *elfsym.File) ([]resolve.UserSymbol, error) {
	type key struct {
		name string
		addr uint64
	}
	var list []resolve.UserSymbol
	have := map[key]int{}
	add := func(s *elfsym.Symbol, dynamic bool) {
		offset, ok := file.FileOffset(s.Address)
		if !ok || s.Name == "" {
			return
		}
		name := s.Name
		if s.Hidden {
			name += "@" + s.Version
		}
		k := key{name, s.Address}
		if i, ok := have[k]; ok {
			list[i].Dynamic = list[i].Dynamic || dynamic
			list[i].Size = max(list[i].Size, s.Size)
			return
		}
		have[k] = len(list)
		list = append(list, resolve.UserSymbol{
			Name: name, Address: s.Address, Offset: offset, Size: s.Size,
			Dynamic: dynamic, Local: s.Bind == elf.STB_LOCAL, IFunc: s.Type == elf.STT_GNU_IFUNC,
		})
	}
	tables := []struct {
		file  *elfsym.File
		table elfsym.Table
	}{{file, elfsym.Dynsym}, {file, elfsym.Symtab}, {debug, elfsym.Symtab}}
	for _, t := range tables {
		if t.file == nil {
			continue
		}
		err := t.file.Each(t.table, func(s *elfsym.Symbol) bool {
			if t.file.Function(s) {
				add(s, t.table == elfsym.Dynsym)
			}
			return true
		})
		if err != nil {
			return nil, err
		}
	}
	if e.info.Go && e.info.Symtab < 0 && debug == nil {
		functions, err := file.GoFunctions()
		if err != nil {
			return nil, err
		}
		for i := range functions {
			add(&functions[i], false)
		}
	}
	sortSymbols(list)
	return list, nil
}

// listSourceNames decodes the names of C++ and Rust.
func (e *executable) listSourceNames() ([]resolve.UserSymbol, error) {
	symbols, err := e.symbols()
	if err != nil {
		return nil, err
	}
	const longest = 12 // as a power of two: templates of templates make names without end
	var list []resolve.UserSymbol
	for _, s := range symbols {
		short, err := demangle.ToString(s.Name, demangle.NoParams, demangle.MaxLength(longest))
		if err != nil {
			continue // a name of C, or one that no compiler made
		}
		named := s
		named.Name = short
		list = append(list, named)
		if full, err := demangle.ToString(s.Name, demangle.NoClones, demangle.MaxLength(longest)); err == nil && full != short {
			named.Name = full
			list = append(list, named)
		}
	}
	sortSymbols(list)
	return list, nil
}

func sortSymbols(list []resolve.UserSymbol) {
	slices.SortFunc(list, func(a, b resolve.UserSymbol) int {
		if c := strings.Compare(a.Name, b.Name); c != 0 {
			return c
		}
		return cmp.Compare(a.Address, b.Address)
	})
}

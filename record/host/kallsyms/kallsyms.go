package kallsyms

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"unique"
)

// Symbol is one line of /proc/kallsyms.
type Symbol struct {
	Address uint64 // 0: hidden from this process (kernel.kptr_restrict)
	Type    byte   // nm's letter: t and T are functions, lower case local
	Name    string
	Module  string // empty: the kernel itself; "bpf" for programs loaded by BPF, "__builtin__ftrace" and the like for trampolines
}

// Function reports whether the symbol is code: of the text section, or weak.
func (s *Symbol) Function() bool {
	switch s.Type {
	case 't', 'T', 'w', 'W':
		return true
	}
	return false
}

// Each hands every symbol of a text of /proc/kallsyms to fn until it returns false. Names are parts of text: who keeps one of many keeps
// all of text, and clones it instead.
func Each(text string, fn func(Symbol) bool) error {
	for line := 1; text != ""; line++ {
		var row string
		if end := strings.IndexByte(text, '\n'); end < 0 {
			row, text = text, ""
		} else {
			row, text = text[:end], text[end+1:]
		}
		if row == "" {
			continue
		}
		// ADDRESS TYPE NAME, then a tab and [MODULE].
		digits := strings.IndexByte(row, ' ')
		if digits < 1 || len(row) < digits+4 || row[digits+2] != ' ' {
			return fmt.Errorf("parsing kernel symbols: line %d is not an address, a type and a name", line)
		}
		address, err := strconv.ParseUint(row[:digits], 16, 64)
		if err != nil {
			return fmt.Errorf("parsing kernel symbols: line %d: %q is not an address", line, row[:digits])
		}
		s := Symbol{Address: address, Type: row[digits+1], Name: row[digits+3:]}
		if tab := strings.IndexByte(s.Name, '\t'); tab >= 0 {
			s.Module = bracketed(s.Name[tab+1:])
			s.Name = s.Name[:tab]
		}
		if s.Name == "" {
			return fmt.Errorf("parsing kernel symbols: line %d has no name", line)
		}
		if !fn(s) {
			return nil
		}
	}
	return nil
}

// bracketed returns what is between brackets.
func bracketed(text string) string {
	text = strings.TrimSpace(text)
	if len(text) < 2 || text[0] != '[' || text[len(text)-1] != ']' {
		return ""
	}
	return text[1 : len(text)-1]
}

// Function is a function that ftrace knows.
type Function struct {
	Name   string
	Module string
}

// FilterFunctions reads a text of available_filter_functions: the functions that begin with a call of ftrace, which are those that
// fentry, kprobe.multi and (without CONFIG_KPROBE_EVENTS_ON_NOTRACE) kprobes can be attached to.
func FilterFunctions(text string) []Function {
	functions := make([]Function, 0, strings.Count(text, "\n"))
	for line := range strings.Lines(text) {
		name, rest, _ := strings.Cut(strings.TrimRight(line, "\n"), " ")
		// Functions whose section was thrown away are listed as __ftrace_invalid_address___NUMBER since Linux 5.18.
		if name == "" || strings.HasPrefix(name, "__ftrace_invalid_address__") {
			continue
		}
		f := Function{Name: name}
		if rest != "" {
			f.Module = unique.Make(bracketed(rest)).Value()
		}
		functions = append(functions, f)
	}
	return functions
}

// Range is code that kprobes must not be put on.
type Range struct {
	From, To uint64 // [From, To); 0, 0: addresses are hidden from this process
	Name     string
}

// Blacklist reads a text of /sys/kernel/debug/kprobes/blacklist: lines of "0xFROM-0xTO<tab>NAME".
func Blacklist(text []byte) ([]Range, error) {
	var ranges []Range
	line := 0
	for row := range bytes.Lines(text) {
		line++
		where, name, ok := strings.Cut(strings.TrimSpace(string(row)), "\t")
		if where == "" {
			continue
		}
		from, to, dash := strings.Cut(where, "-")
		if !ok || !dash {
			return nil, fmt.Errorf("parsing kprobe blacklist: line %d is not a range and a name", line)
		}
		r := Range{Name: name}
		var err error
		for _, end := range []struct {
			text string
			into *uint64
		}{{from, &r.From}, {to, &r.To}} {
			// Hidden addresses are printed as zeros or, by some kernels, as "(null)" or "____ptrval____".
			if *end.into, err = strconv.ParseUint(strings.TrimPrefix(end.text, "0x"), 16, 64); err != nil {
				*end.into = 0
			}
		}
		ranges = append(ranges, r)
	}
	return ranges, nil
}

// Base returns the name of the function that a compiler made a symbol from, and how: a copy for fewer arguments (isra), for known
// arguments (constprop), a part that was split off (part, cold), or a suffix for link-time optimisation (llvm.NUMBER). kind is empty where the name is the source's own.
func Base(name string) (base, kind string) {
	base, rest, ok := strings.Cut(name, ".")
	if !ok || base == "" {
		return name, ""
	}
	kind, _, _ = strings.Cut(rest, ".")
	switch kind {
	case "isra", "constprop", "part", "cold", "llvm", "localalias", "lto_priv":
		return base, kind
	}
	return name, ""
}

package recorded

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/cilium/ebpf/btf"

	"probetape/record/resolve"
	"probetape/schemas"
)

// Host is a recorded host. It is read-only and safe for concurrent use.
type Host struct {
	tracepoints []resolve.Tracepoint
	formats     map[resolve.Tracepoint]*resolve.Format
	syscalls    []resolve.Syscall
	modules     []resolve.Module
	functions   []resolve.KernelFunc
	binaries    []*recordedBinary
	files       []string // paths that exist and are no binaries of interest
	raw         []resolve.RawTracepoint
	types       *btf.Spec
	blocked     map[string]error // by what is asked for
}

type recordedBinary struct {
	resolve.Binary
	names   []string
	symbols []resolve.UserSymbol
	usdt    []resolve.USDT
	decls   *declarations
}

var _ resolve.Host = (*Host)(nil)

// Read reads a recorded host.
func Read(r io.Reader) (*Host, error) {
	h := &Host{formats: map[resolve.Tracepoint]*resolve.Format{}, blocked: map[string]error{}}
	in := bufio.NewScanner(r)
	in.Buffer(nil, 1<<20)
	var block func(line string) error // takes the indented lines
	var finish func() error
	end := func() error {
		if finish == nil {
			return nil
		}
		err := finish()
		finish = nil
		return err
	}
	for n := 1; in.Scan(); n++ {
		line := in.Text()
		trimmed := strings.TrimSpace(line)
		if trimmed == "" || trimmed[0] == '#' {
			continue
		}
		var err error
		if line[0] == '\t' {
			if block == nil {
				err = fmt.Errorf("an indented line below nothing")
			} else {
				err = block(trimmed)
			}
		} else if err = end(); err == nil {
			block, finish, err = h.line(trimmed)
		}
		if err != nil {
			return nil, fmt.Errorf("reading recorded host, line %d: %w", n, err)
		}
	}
	if err := in.Err(); err != nil {
		return nil, fmt.Errorf("reading recorded host: %w", err)
	}
	if err := end(); err != nil {
		return nil, fmt.Errorf("reading recorded host: %w", err)
	}
	h.sort()
	return h, nil
}

// line reads a line that is not indented. It returns what takes the indented lines below it, and what is done after the last.
func (h *Host) line(line string) (block func(string) error, finish func() error, err error) {
	word, rest, _ := strings.Cut(line, " ")
	switch word {
	case "tracepoint":
		return h.tracepoint(rest)
	case "tracepoints":
		// Names only, of one category: tracepoints CATEGORY NAME NAME ...
		fields := strings.Fields(rest)
		for _, name := range fields[1:] {
			h.tracepoints = append(h.tracepoints, resolve.Tracepoint{Category: fields[0], Name: name})
		}
		return nil, nil, nil
	case "syscall":
		return nil, nil, h.syscall(rest)
	case "module":
		fields := strings.Fields(rest)
		m := resolve.Module{Name: fields[0]}
		for _, f := range fields[1:] {
			m.Loaded = m.Loaded || f == "loaded"
			m.Builtin = m.Builtin || f == "builtin"
		}
		h.modules = append(h.modules, m)
		return nil, nil, nil
	case "function":
		return nil, nil, h.function(rest)
	case "functions":
		for _, name := range strings.Fields(rest) {
			h.functions = append(h.functions, resolve.KernelFunc{Name: name})
		}
		return nil, nil, nil
	case "file":
		h.files = append(h.files, strings.Fields(rest)...)
		return nil, nil, nil
	case "binary":
		return h.binary(rest)
	case "types":
		var text strings.Builder
		return func(line string) error { text.WriteString(line + "\n"); return nil },
			func() error { return h.declare(text.String()) }, nil
	case "deny", "absent":
		what, path, _ := strings.Cut(rest, " ")
		cause := fs.ErrPermission
		need := "root (or CAP_DAC_READ_SEARCH)"
		if word == "absent" {
			cause, need = fs.ErrNotExist, ""
		}
		h.blocked[what] = &resolve.AccessError{What: "the host's " + what, Path: path, Need: need, Err: cause}
		return nil, nil, nil
	}
	return nil, nil, fmt.Errorf("unknown word %q", word)
}

func (h *Host) tracepoint(rest string) (func(string) error, func() error, error) {
	name, id, _ := strings.Cut(rest, " ")
	category, name, ok := strings.Cut(name, ":")
	if !ok {
		return nil, nil, fmt.Errorf("tracepoint %q has no category", rest)
	}
	n, err := strconv.ParseUint(id, 10, 64)
	if err != nil {
		return nil, nil, err
	}
	t := resolve.Tracepoint{Category: category, Name: name}
	f := &resolve.Format{ID: n, Fields: commonFields()}
	h.tracepoints = append(h.tracepoints, t)
	h.formats[t] = f
	return func(line string) error {
		field, err := parseField(line)
		f.Fields = append(f.Fields, field)
		return err
	}, nil, nil
}

func commonFields() []resolve.FormatField {
	return []resolve.FormatField{
		{Name: "common_type", Type: "unsigned short", Offset: 0, Size: 2},
		{Name: "common_flags", Type: "unsigned char", Offset: 2, Size: 1},
		{Name: "common_preempt_count", Type: "unsigned char", Offset: 3, Size: 1},
		{Name: "common_pid", Type: "int", Offset: 4, Size: 4, Signed: true},
	}
}

// parseField reads a line of a format file.
func parseField(line string) (resolve.FormatField, error) {
	var f resolve.FormatField
	for _, part := range strings.Split(line, ";") {
		key, value, ok := strings.Cut(strings.TrimSpace(part), ":")
		if !ok {
			continue
		}
		n, err := strconv.Atoi(value)
		switch {
		case key == "field":
			f.Type, f.Name = splitField(value)
		case err != nil:
			return f, err
		case key == "offset":
			f.Offset = n
		case key == "size":
			f.Size = n
		case key == "signed":
			f.Signed = n != 0
		}
	}
	for _, prefix := range []string{"__data_loc ", "__rel_loc "} {
		if rest, ok := strings.CutPrefix(f.Type, prefix); ok {
			f.Type, f.DataLoc, f.RelLoc = rest, prefix[2] == 'd', prefix[2] == 'r'
		}
	}
	if open := strings.IndexByte(f.Type, '['); open >= 0 && !f.DataLoc && !f.RelLoc {
		if n, err := strconv.Atoi(strings.TrimSuffix(f.Type[open+1:], "]")); err == nil {
			f.Array = n
		}
	}
	if f.Name == "" || f.Size == 0 {
		return f, fmt.Errorf("no field: %q", line)
	}
	return f, nil
}

// splitField takes the name out of "char prev_comm[16]" or "__data_loc char[] name".
func splitField(text string) (typ, name string) {
	array := ""
	if strings.HasSuffix(text, "]") {
		open := strings.LastIndexByte(text, '[')
		text, array = text[:open], text[open:]
	}
	space := strings.LastIndexAny(text, " *")
	return strings.TrimSpace(text[:space+1]) + array, text[space+1:]
}

// syscall reads "x86_64 257 openat(int dfd, const char * filename)".
func (h *Host) syscall(rest string) error {
	abi, rest, _ := strings.Cut(rest, " ")
	number, rest, _ := strings.Cut(rest, " ")
	n, err := strconv.ParseInt(number, 10, 32)
	if err != nil {
		return err
	}
	name, params, ok := strings.Cut(strings.TrimSuffix(rest, ")"), "(")
	if !ok {
		return fmt.Errorf("system call without parentheses")
	}
	c := resolve.Syscall{Name: name, ABI: schemas.ABI(abi), Number: int32(n)}
	if params == "?" {
		c.ParamsErr = fmt.Errorf("its parameters are not described")
		params = ""
	}
	for params != "" {
		var p string
		p, params, _ = strings.Cut(params, ", ")
		typ, name := splitField(p)
		c.Params = append(c.Params, resolve.Param{Name: name, Type: typ})
	}
	h.syscalls = append(h.syscalls, c)
	return nil
}

// function reads "name[@module] address size [notrace] [blacklisted]".
func (h *Host) function(rest string) error {
	fields := strings.Fields(rest)
	if len(fields) < 3 {
		return fmt.Errorf("function without address and size")
	}
	name, module, _ := strings.Cut(fields[0], "@")
	address, err := strconv.ParseUint(fields[1], 16, 64)
	if err != nil {
		return err
	}
	size, err := strconv.ParseUint(fields[2], 10, 64)
	if err != nil {
		return err
	}
	h.functions = append(h.functions, resolve.KernelFunc{
		Name: name, Module: module, Address: address, Size: size,
		Notrace: slices.Contains(fields[3:], "notrace"), Blacklisted: slices.Contains(fields[3:], "blacklisted"),
	})
	return nil
}

func (h *Host) binary(rest string) (func(string) error, func() error, error) {
	fields := strings.Fields(rest)
	b := &recordedBinary{Binary: resolve.Binary{Path: fields[0], Symtab: 0, Dynsym: 0}}
	for _, f := range fields[1:] {
		key, value, _ := strings.Cut(f, "=")
		var err error
		switch key {
		case "build-id":
			b.BuildID = value
		case "static":
			b.Static, b.Dynsym = true, -1
		case "stripped":
			b.Symtab = -1
		case "go":
			b.Go = true
		case "dwarf":
			b.Dwarf = true
		case "debug":
			b.DebugFile = value
		case "symtab":
			b.Symtab, err = strconv.Atoi(value)
		case "dynsym":
			b.Dynsym, err = strconv.Atoi(value)
		case "names":
			b.names = strings.Split(value, ",")
		default:
			err = fmt.Errorf("unknown word %q of a binary", f)
		}
		if err != nil {
			return nil, nil, err
		}
	}
	h.binaries = append(h.binaries, b)
	var text strings.Builder
	return func(line string) error {
			if strings.HasPrefix(line, "func ") || strings.HasPrefix(line, "struct ") || strings.HasPrefix(line, "typedef ") || strings.HasPrefix(line, "enum ") {
				text.WriteString(line + "\n")
				return nil
			}
			return b.line(line)
		}, func() (err error) {
			b.decls, err = parseC(text.String())
			return err
		}, nil
}

func (b *recordedBinary) line(line string) error {
	fields := strings.Fields(line)
	hex := func(i int) (n uint64) {
		if i < len(fields) {
			n, _ = strconv.ParseUint(fields[i], 16, 64)
		}
		return n
	}
	switch {
	case fields[0] == "text" && len(fields) == 4:
		b.Text = append(b.Text, resolve.Segment{Address: hex(1), Offset: hex(2), Size: hex(3)})
	case fields[0] == "symbol" && len(fields) >= 5:
		size, err := strconv.ParseUint(fields[4], 10, 64)
		if err != nil {
			return err
		}
		b.symbols = append(b.symbols, resolve.UserSymbol{
			Name: fields[1], Address: hex(2), Offset: hex(3), Size: size,
			Dynamic: slices.Contains(fields[5:], "dynamic"), Local: slices.Contains(fields[5:], "local"), IFunc: slices.Contains(fields[5:], "ifunc"),
		})
	case fields[0] == "symbols":
		for i, name := range fields[1:] {
			at := 0x100000 + uint64(64*(len(b.symbols)+i))
			b.symbols = append(b.symbols, resolve.UserSymbol{Name: name, Address: at, Offset: at, Dynamic: true})
		}
	case fields[0] == "usdt" && len(fields) >= 5:
		b.usdt = append(b.usdt, resolve.USDT{Provider: fields[1], Name: fields[2], Offset: hex(3), Semaphore: hex(4), Args: strings.Join(fields[5:], " ")})
	default:
		return fmt.Errorf("unknown line of a binary: %q", line)
	}
	return nil
}

// declare makes the kernel's types: BTF as a kernel has it, read back as from a kernel.
func (h *Host) declare(text string) error {
	d, err := parseC(text)
	if err != nil {
		return err
	}
	for _, name := range d.raw {
		h.raw = append(h.raw, resolve.RawTracepoint{Name: name})
	}
	b, err := btf.NewBuilder(d.types(), nil)
	if err != nil {
		return err
	}
	raw, err := b.Marshal(nil, &btf.MarshalOptions{Order: binary.LittleEndian})
	if err != nil {
		return err
	}
	h.types, err = btf.LoadSpecFromReader(bytes.NewReader(raw))
	return err
}

func (h *Host) sort() {
	slices.SortFunc(h.tracepoints, func(a, b resolve.Tracepoint) int {
		return strings.Compare(a.Category+":"+a.Name, b.Category+":"+b.Name)
	})
	slices.SortStableFunc(h.functions, func(a, b resolve.KernelFunc) int { return strings.Compare(a.Name, b.Name) })
	slices.SortFunc(h.raw, func(a, b resolve.RawTracepoint) int { return strings.Compare(a.Name, b.Name) })
	slices.SortStableFunc(h.syscalls, func(a, b resolve.Syscall) int {
		if a.ABI != b.ABI {
			return -strings.Compare(string(a.ABI), string(b.ABI))
		}
		return strings.Compare(a.Name, b.Name)
	})
	for _, b := range h.binaries {
		slices.SortStableFunc(b.symbols, func(x, y resolve.UserSymbol) int { return strings.Compare(x.Name, y.Name) })
		slices.SortStableFunc(b.usdt, func(x, y resolve.USDT) int {
			return strings.Compare(x.Provider+":"+x.Name, y.Provider+":"+y.Name)
		})
	}
}

func notThere(what, name string) error { return fmt.Errorf("%s %s: %w", what, name, fs.ErrNotExist) }

// Tracepoints implements resolve.Host.
func (h *Host) Tracepoints() ([]resolve.Tracepoint, error) {
	return h.tracepoints, h.blocked["tracepoints"]
}

// Format implements resolve.Host.
func (h *Host) Format(category, name string) (*resolve.Format, error) {
	if err := h.blocked["formats"]; err != nil {
		return nil, err
	}
	if f := h.formats[resolve.Tracepoint{Category: category, Name: name}]; f != nil {
		return f, nil
	}
	return nil, notThere("format of tracepoint", category+":"+name)
}

// RawTracepoints implements resolve.Host.
func (h *Host) RawTracepoints() ([]resolve.RawTracepoint, error) { return h.raw, h.blocked["types"] }

// Syscalls implements resolve.Host.
func (h *Host) Syscalls() ([]resolve.Syscall, error) { return h.syscalls, h.blocked["syscalls"] }

// Types implements resolve.Host.
func (h *Host) Types(module string) (*btf.Spec, error) {
	if err := h.blocked["types"]; err != nil {
		return nil, err
	}
	if module != "" || h.types == nil {
		return nil, notThere("types of", module)
	}
	return h.types, nil
}

// Modules implements resolve.Host.
func (h *Host) Modules() ([]resolve.Module, error) { return h.modules, h.blocked["modules"] }

// KernelFuncs implements resolve.Host.
func (h *Host) KernelFuncs() ([]resolve.KernelFunc, error) {
	return h.functions, h.blocked["functions"]
}

// Binaries implements resolve.Host.
func (h *Host) Binaries(name string) ([]resolve.Binary, error) {
	if err := h.blocked[name]; err != nil {
		return nil, err
	}
	var found []resolve.Binary
	for _, b := range h.binaries {
		match, err := path.Match(name, b.Path)
		if err == nil && match || slices.Contains(b.names, name) {
			found = append(found, b.Binary)
		}
	}
	if len(found) == 0 {
		return nil, notThere("binary", name)
	}
	return found, nil
}

// Candidates implements resolve.Host.
func (h *Host) Candidates(name string) ([]string, error) {
	var names []string
	for _, b := range h.binaries {
		if strings.Contains(name, "/") {
			names = append(names, b.Path)
		} else {
			names = append(names, b.names...)
		}
	}
	return append(names, h.files...), nil
}

func (h *Host) find(path string) (*recordedBinary, error) {
	for _, b := range h.binaries {
		if b.Path == path {
			return b, nil
		}
	}
	return nil, notThere("binary", path)
}

// Symbols implements resolve.Host.
func (h *Host) Symbols(path string) ([]resolve.UserSymbol, error) {
	b, err := h.find(path)
	if err != nil {
		return nil, err
	}
	return b.symbols, nil
}

// USDT implements resolve.Host.
func (h *Host) USDT(path string) ([]resolve.USDT, error) {
	b, err := h.find(path)
	if err != nil {
		return nil, err
	}
	return b.usdt, nil
}

// UserProto implements resolve.Host.
func (h *Host) UserProto(path, symbol string) (*btf.FuncProto, error) {
	b, err := h.find(path)
	if err != nil {
		return nil, err
	}
	if b.decls != nil {
		if p := b.decls.proto(symbol); p != nil {
			return p, nil
		}
	}
	return nil, notThere("debug information of", symbol)
}

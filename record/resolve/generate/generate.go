package generate

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/cilium/ebpf/btf"

	"probetape/record/resolve"
	"probetape/schemas"
)

// Options say what programs are made of.
type Options struct {
	Kinds         []schemas.ProbeKind // nil: every kind for which the host has something
	Binaries      []string            // for user probes: names or paths that the host finds
	MaxStatements int                 // of a program; 0: 3
	MaxFields     int                 // of a statement; 0: 6
	MaxDepth      int                 // of an expression; 0: 4
}

// Generator makes programs. The same host, seed and options give the same programs.
type Generator struct {
	host resolve.Host
	opts Options
	rand *rand.Rand

	tracepoints []resolve.Tracepoint
	raw         []resolve.RawTracepoint
	syscalls    []resolve.Syscall
	functions   []function
	user        []userFunction
	usdt        []usdt
	kernel      *btf.Spec
}

// function is a kernel function with a type.
type function struct {
	name  string
	proto *btf.FuncProto
}

// userFunction is a function of a program, with its type where that is known.
type userFunction struct {
	path, name string
	proto      *btf.FuncProto
}

type usdt struct {
	path, provider, name string
	args                 int
}

// New reads what a host has.
func New(host resolve.Host, seed uint64, opts Options) (*Generator, error) {
	if opts.MaxStatements == 0 {
		opts.MaxStatements = 3
	}
	if opts.MaxFields == 0 {
		opts.MaxFields = 6
	}
	if opts.MaxDepth == 0 {
		opts.MaxDepth = 4
	}
	g := &Generator{host: host, opts: opts, rand: rand.New(rand.NewPCG(seed, 1))}
	if err := g.read(); err != nil {
		return nil, err
	}
	var kinds []schemas.ProbeKind
	for _, k := range schemas.Kinds() {
		if g.has(k) && (opts.Kinds == nil || slices.Contains(opts.Kinds, k)) {
			kinds = append(kinds, k)
		}
	}
	if len(kinds) == 0 {
		return nil, fmt.Errorf("generating programs: the host has nothing for any of the kinds %v", opts.Kinds)
	}
	g.opts.Kinds = kinds
	return g, nil
}

// wants reports whether programs may have probes of one of some kinds.
func (g *Generator) wants(kinds ...schemas.ProbeKind) bool {
	return g.opts.Kinds == nil || slices.ContainsFunc(kinds, func(k schemas.ProbeKind) bool { return slices.Contains(g.opts.Kinds, k) })
}

func (g *Generator) read() error {
	var err error
	if g.wants(schemas.KindTracepoint) {
		all, err := g.host.Tracepoints()
		if err != nil {
			return fmt.Errorf("generating programs: %w", err)
		}
		for _, t := range all {
			if _, err := g.host.Format(t.Category, t.Name); err == nil && t.Category != "ftrace" {
				g.tracepoints = append(g.tracepoints, t)
			}
		}
	}
	if g.wants(schemas.KindSyscall) {
		if g.syscalls, err = g.host.Syscalls(); err != nil {
			return fmt.Errorf("generating programs: %w", err)
		}
	}
	if g.kernel, err = g.host.Types(""); err != nil {
		return fmt.Errorf("generating programs: %w", err)
	}
	if g.wants(schemas.KindRawTracepoint) {
		if g.raw, err = g.host.RawTracepoints(); err != nil {
			return fmt.Errorf("generating programs: %w", err)
		}
		g.raw = slices.DeleteFunc(slices.Clone(g.raw), func(t resolve.RawTracepoint) bool { return t.Module != "" })
	}
	if g.wants(schemas.KindKprobe, schemas.KindKretprobe, schemas.KindFentry, schemas.KindFexit, schemas.KindKcall) {
		if err := g.readFunctions(); err != nil {
			return err
		}
	}
	for _, name := range g.opts.Binaries {
		if err := g.readBinary(name); err != nil {
			return err
		}
	}
	return nil
}

// maxFunctions is how many functions of the kernel are chosen from.
const maxFunctions = 4000

func (g *Generator) readFunctions() error {
	all, err := g.host.KernelFuncs()
	if err != nil {
		return fmt.Errorf("generating programs: %w", err)
	}
	var usable []string
	for i, f := range all {
		twice := i > 0 && all[i-1].Name == f.Name || i+1 < len(all) && all[i+1].Name == f.Name
		if f.Module == "" && !f.Notrace && !f.Blacklisted && !twice && !strings.ContainsAny(f.Name, ".$") && !strings.HasPrefix(f.Name, "__pfx_") {
			usable = append(usable, f.Name)
		}
	}
	g.rand.Shuffle(len(usable), func(i, j int) { usable[i], usable[j] = usable[j], usable[i] })
	for _, name := range usable {
		var fn *btf.Func
		if err := g.kernel.TypeByName(name, &fn); err != nil {
			continue
		}
		if proto, ok := fn.Type.(*btf.FuncProto); ok {
			g.functions = append(g.functions, function{name, proto})
		}
		if len(g.functions) == maxFunctions {
			break
		}
	}
	return nil
}

func (g *Generator) readBinary(name string) error {
	found, err := g.host.Binaries(name)
	if err != nil {
		return fmt.Errorf("generating programs: %w", err)
	}
	for _, b := range found {
		symbols, err := g.host.Symbols(b.Path)
		if err != nil {
			return fmt.Errorf("generating programs: %w", err)
		}
		for _, s := range symbols {
			if s.IFunc || strings.ContainsAny(s.Name, "*?[\"\\") || b.Go {
				continue
			}
			f := userFunction{path: b.Path, name: s.Name}
			if b.Dwarf {
				if proto, err := g.host.UserProto(b.Path, s.Name); err == nil {
					f.proto = proto
				}
			}
			g.user = append(g.user, f)
		}
		notes, err := g.host.USDT(b.Path)
		if err != nil {
			continue // it has none
		}
		for _, n := range notes {
			g.usdt = append(g.usdt, usdt{b.Path, n.Provider, n.Name, len(strings.Fields(n.Args))})
		}
	}
	return nil
}

// has reports whether the host has something to probe of a kind.
func (g *Generator) has(k schemas.ProbeKind) bool {
	switch k {
	case schemas.KindTracepoint:
		return len(g.tracepoints) > 0
	case schemas.KindRawTracepoint:
		return len(g.raw) > 0
	case schemas.KindSyscall:
		return len(g.syscalls) > 0
	case schemas.KindKprobe, schemas.KindKretprobe, schemas.KindFentry, schemas.KindFexit, schemas.KindKcall:
		return len(g.functions) > 0
	case schemas.KindUSDT:
		return len(g.usdt) > 0
	}
	return len(g.user) > 0
}

// Program makes a program. Most of them check; some do not, such as those that compare an unsigned number with a negative one.
func (g *Generator) Program() string {
	var b strings.Builder
	for i := range 1 + g.rand.IntN(g.opts.MaxStatements) {
		if g.chance(2) {
			fmt.Fprintf(&b, "t%d = ", i)
		}
		g.statement(&b)
		b.WriteByte('\n')
	}
	return b.String()
}

// chance is true once in n times.
func (g *Generator) chance(n int) bool { return g.rand.IntN(n) == 0 }

func pick[T any](g *Generator, list []T) T { return list[g.rand.IntN(len(list))] }

func (g *Generator) statement(b *strings.Builder) {
	s := g.site(pick(g, g.opts.Kinds))
	b.WriteString(s.probe)
	if g.chance(2) {
		fmt.Fprintf(b, " /%s/", g.condition(s, g.opts.MaxDepth))
	}
	n := g.rand.IntN(g.opts.MaxFields + 1)
	if n == 0 {
		return
	}
	b.WriteString(" { ")
	for i := range n {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(b, "f%d = %s", i, g.field(s))
	}
	b.WriteString(" }")
}

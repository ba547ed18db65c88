package compile

import (
	"fmt"
	"maps"
	"slices"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"

	"probetape/bpf"
	"probetape/record/resolve"
	"probetape/schemas"
)

// hashOverhead is about what the kernel adds to a hash map's key and value: struct htab_elem and its bucket.
const hashOverhead = 64

// The most and the fewest calls that can be under way at once.
const (
	maxInFlight = 64 << 10
	minInFlight = 64
)

// layers puts the statements of system calls into layers and makes their programs.
func (c *compiler) layers() error {
	var layers [][]int
	var used []map[int]bool
	for i := range c.plan.Statements {
		s := &c.plan.Statements[i]
		if s.Kind != schemas.KindSyscall {
			continue
		}
		slots := map[int]bool{}
		for k := range s.Sites {
			slots[schemas.SyscallSlot(s.Sites[k].ABI, s.Sites[k].Number)] = true
		}
		if len(slots) != len(s.Sites) {
			return fmt.Errorf("compiling statement on line %d: two of its sites are the same system call", s.Line)
		}
		at := 0
		for at < len(layers) && overlap(used[at], slots) {
			at++
		}
		if at == len(layers) {
			layers, used = append(layers, nil), append(used, map[int]bool{})
		}
		layers[at] = append(layers[at], i)
		for slot := range slots {
			used[at][slot] = true
		}
	}
	for n, stmts := range layers {
		if err := c.layer(n, stmts); err != nil {
			return err
		}
	}
	return nil
}

func overlap(a, b map[int]bool) bool {
	for k := range b {
		if a[k] {
			return true
		}
	}
	return false
}

// layer makes one layer's programs and maps.
func (c *compiler) layer(n int, stmts []int) error {
	largest := 0
	for _, i := range stmts {
		largest = max(largest, room(c.out.Stmts[i].Layout))
	}
	l := Layer{InFlight: progName(bpf.MapInFlight, n)}
	rename := map[string]string{
		bpf.MapInFlight:     l.InFlight,
		bpf.MapBlank:        progName(bpf.MapBlank, n),
		bpf.MapSyscallSites: progName(bpf.MapSyscallSites, n),
		bpf.MapSyscallStmts: progName(bpf.MapSyscallStmts, n),
		bpf.MapEnterProgs:   progName(bpf.MapEnterProgs, n),
		bpf.MapExitProgs:    progName(bpf.MapExitProgs, n),
	}
	entries, bytes := c.inFlightMaps(rename, bpf.MapInFlight, bpf.MapBlank, int(unsafe.Sizeof(bpf.Call{})), largest)
	sites := c.addMap(bpf.MapSyscallSites, rename)
	dispatch := c.addMap(bpf.MapSyscallStmts, rename)
	record := c.syscallRecords()
	mech := MechSyscall
	if record {
		mech = MechSyscallRecord
	}
	p := c.params().with(params{bpf.ParamRoom: int64(largest), bpf.ParamErrno: 1, bpf.ParamUser: 0, bpf.ParamRecord: number(record)})

	for at, i := range stmts {
		s := &c.plan.Statements[i]
		st := &c.out.Stmts[i]
		st.InFlight, st.InFlightSize, st.Mechanism = entries, bytes, mech
		enter, exit := progName("s", i, "enter"), progName("s", i, "exit")
		for k := range s.Sites {
			site := &s.Sites[k]
			slot := uint32(schemas.SyscallSlot(site.ABI, site.Number))
			value := uint32(site.ID) + 1
			if kernelOwn(&site.Site) {
				value |= bpf.SiteSkipped
			}
			sites.Contents = append(sites.Contents, ebpf.MapKV{Key: slot, Value: value})
			dispatch.Contents = append(dispatch.Contents, ebpf.MapKV{Key: slot, Value: uint32(at) + 1})
			plan := &c.out.Sites[site.ID]
			plan.Mechanism, plan.Entry, plan.Exit = mech, enter, exit
			l.Sites = append(l.Sites, site.ID)
		}
		if err := c.syscall(i, enter, exit, p.with(params{bpf.ParamStmt: int64(at), bpf.ParamTable: int64(s.Table.ID)}), rename); err != nil {
			return fmt.Errorf("compiling statement on line %d: %w", s.Line, err)
		}
		l.Enter, l.Exit = enter, exit
	}
	l.Gone = progName("l", n, "gone")
	for _, name := range c.twins(l.Gone) {
		if _, err := c.instance(bpf.ProgSyscallGone, name, p, nil, rename); err != nil {
			return err
		}
	}
	if len(stmts) > 1 {
		if err := c.dispatch(n, &l, stmts, p, rename); err != nil {
			return err
		}
	}
	l.Mechanism = mech
	if record {
		for _, name := range l.tracepoints(c.out) {
			c.out.Spec.Programs[name].Type = ebpf.TracePoint
		}
	}
	c.out.Layers = append(c.out.Layers, l)
	c.out.Calls = append(c.out.Calls, CallMap{Name: l.InFlight})
	return nil
}

// twins returns the names of the copies of a program that ends calls: the second one finds nothing to do unless the first was skipped.
func (c *compiler) twins(name string) []string {
	if c.cfg.Features.RawPreempt {
		return []string{name, Twin(name)}
	}
	return []string{name}
}

// syscallRecords reports whether system calls are taken from the records of raw_syscalls. They cost more than the raw tracepoints, but
// where programs of those are preempted, every call that other tasks make on that CPU until the program goes on is skipped: with four
// threads on two CPUs a third of them. The records' programs run with preemption off.
func (c *compiler) syscallRecords() bool {
	f := c.cfg.Features
	return f.RawPreempt && f.TaskBTF && f.TaskRegs
}

// tracepoints returns the names of the layer's programs for entries and exits: those that are attached, and those that they call.
func (l *Layer) tracepoints(p *Program) []string {
	names := map[string]bool{l.Enter: true, l.Exit: true}
	for _, id := range l.Sites {
		names[p.Sites[id].Entry], names[p.Sites[id].Exit] = true, true
	}
	return slices.Sorted(maps.Keys(names))
}

// kernelOwn reports whether a system call is one that the kernel makes user programs do for its own probes.
func kernelOwn(s *schemas.Site) bool {
	return s.ABI == schemas.ABIx8664 && (s.Number == 335 || s.Number == 336)
}

// dispatch makes the programs that look up which statement of a layer a call belongs to.
func (c *compiler) dispatch(n int, l *Layer, stmts []int, p params, rename map[string]string) error {
	enter, exit := c.addMap(bpf.MapEnterProgs, rename), c.addMap(bpf.MapExitProgs, rename)
	enter.MaxEntries, exit.MaxEntries = uint32(len(stmts)), uint32(len(stmts))
	for at, i := range stmts {
		enter.Contents = append(enter.Contents, ebpf.MapKV{Key: uint32(at), Value: progName("s", i, "enter")})
		exit.Contents = append(exit.Contents, ebpf.MapKV{Key: uint32(at), Value: progName("s", i, "exit")})
	}
	l.Enter, l.Exit = progName("l", n, "enter"), progName("l", n, "exit")
	if _, err := c.instance(bpf.ProgDispatchEnter, l.Enter, p, nil, rename); err != nil {
		return err
	}
	_, err := c.instance(bpf.ProgDispatchExit, l.Exit, p, nil, rename)
	return err
}

// syscall makes a statement's two programs.
func (c *compiler) syscall(i int, enter, exit string, p params, rename map[string]string) error {
	s := &c.plan.Statements[i]
	e := exprs{s.Filter, s.ExitFilter, s.Fields}
	entry, atExit, err := callBodies(s, e, place{kind: s.Kind, args: argsCall})
	if err != nil {
		return err
	}
	p = p.with(params{
		bpf.ParamFilter:     number(e.filter != nil),
		bpf.ParamExitFilter: number(e.exitFilter != nil),
		bpf.ParamArgs:       int64(usedArgs(append([]*resolve.Expr{e.filter, e.exitFilter}, e.fields...)...)),
	})
	prog, err := c.instance(bpf.ProgSyscallEnter, enter, p, entry, rename)
	if err != nil {
		return err
	}
	c.account(i, prog)
	// The exit's program makes calls that were refused, so it has the entry's functions too.
	prog, err = c.instance(bpf.ProgSyscallExit, exit, p, append(entry, atExit...), rename)
	if err != nil {
		return err
	}
	c.account(i, prog)
	return nil
}

// callBodies generates the functions of a call statement for its entry and its return, which has the arguments that the entry saved.
func callBodies(s *resolve.Statement, e exprs, at place) (entry, exit []body, err error) {
	add := func(list *[]body, name string, make func() (asm.Instructions, error)) {
		if err != nil {
			return
		}
		insns, e := make()
		if e != nil {
			err = e
			return
		}
		*list = append(*list, body{name, insns})
	}
	if e.filter != nil {
		add(&entry, bpf.FuncFilterEntry, func() (asm.Instructions, error) { return filterFunc(bpf.FuncFilterEntry, at, e.filter) })
	}
	add(&entry, bpf.FuncCaptureEntry, func() (asm.Instructions, error) { return captureEntry(at, &s.Table, e.fields) })
	back := place{kind: at.kind, exit: true, args: argsCall}
	if e.exitFilter != nil {
		add(&exit, bpf.FuncFilterExit, func() (asm.Instructions, error) { return filterFunc(bpf.FuncFilterExit, back, e.exitFilter) })
	}
	add(&exit, bpf.FuncCopyImage, func() (asm.Instructions, error) { return copyImage(&s.Table) })
	add(&exit, bpf.FuncCaptureExit, func() (asm.Instructions, error) { return captureExit(back, &s.Table, e.fields) })
	return entry, exit, err
}

// inFlightMaps adds a map of calls under way, and the empty value for new ones, with images of largest bytes behind heads of head bytes. It has
// as many entries as the budget allows. It returns their number and about how much kernel memory they take.
func (c *compiler) inFlightMaps(rename map[string]string, name, blank string, head, largest int) (entries, bytes int) {
	value := (head + largest + 7) &^ 7
	one := value + int(unsafe.Sizeof(bpf.Frame{})) + hashOverhead
	entries = min(max(c.cfg.InFlightBytes/one, minInFlight), maxInFlight)
	resize(c.addMap(name, rename), value, entries)
	resize(c.addMap(blank, rename), value, 1)
	return entries, one * entries
}

func (c *compiler) addMap(name string, rename map[string]string) *ebpf.MapSpec {
	m := c.from.Maps[name].Copy()
	m.Name = rename[name]
	c.out.Spec.Maps[m.Name] = m
	return m
}

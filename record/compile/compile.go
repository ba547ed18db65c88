package compile

import (
	"fmt"
	"strings"
	"unsafe"

	"github.com/cilium/ebpf"

	"probetape/bpf"
	"probetape/record/resolve"
	"probetape/schemas"
)

// maxTargets is how many processes can be targets at once.
const maxTargets = 1 << 16

// Compile turns a plan into programs.
//
//  1. Read the embedded object: the skeletons and the maps.
//  2. Lay out the tables; size the scratch slots to the largest record.
//  3. For each statement make its programs from the skeleton of its kind, with filters and captures written in.
//  4. Share the raw tracepoints of system calls among the statements that have no call in common.
//  5. Size the maps and leave out what nothing uses.
func Compile(plan *resolve.Plan, cfg Config) (*Program, error) {
	c, err := newCompiler(plan, cfg)
	if err != nil {
		return nil, err
	}
	for i := range plan.Statements {
		if err := c.statement(i); err != nil {
			return nil, fmt.Errorf("compiling statement on line %d: %w", plan.Statements[i].Line, err)
		}
	}
	if err := c.layers(); err != nil {
		return nil, err
	}
	if err := c.fixed(); err != nil {
		return nil, err
	}
	c.finish()
	return c.out, nil
}

// A compiler holds what Compile works with.
type compiler struct {
	plan *resolve.Plan
	cfg  Config
	from *ebpf.CollectionSpec // skeletons
	out  *Program
	slot int // bytes of a scratch slot

	kstack, ustack bool // stacks are taken
}

func newCompiler(plan *resolve.Plan, cfg Config) (*compiler, error) {
	from, err := bpf.Spec()
	if err != nil {
		return nil, err
	}
	if cfg.InFlightBytes <= 0 {
		cfg.InFlightBytes = DefaultInFlight
	}
	if cfg.BatchBytes <= 0 {
		cfg.BatchBytes = DefaultBatch
	}
	if cfg.CPUs <= 0 {
		cfg.CPUs = 1
	}
	c := &compiler{plan: plan, cfg: cfg, from: from}
	if cfg.Features.SessionCtx {
		if err := c.nameKfuncs(); err != nil {
			return nil, err
		}
	}
	c.out = &Program{
		Config: cfg,
		Spec: &ebpf.CollectionSpec{
			Maps: map[string]*ebpf.MapSpec{}, Programs: map[string]*ebpf.ProgramSpec{}, Variables: map[string]*ebpf.VariableSpec{},
			Types: from.Types, ByteOrder: from.ByteOrder,
		},
		Stmts: make([]StmtPlan, len(plan.Statements)),
	}
	c.slot = cfg.BatchBytes
	for i := range plan.Statements {
		if err := c.declare(i); err != nil {
			return nil, err
		}
	}
	c.slot = (c.slot + 7) &^ 7
	if c.slot > maxSlot {
		return nil, fmt.Errorf("compiling: a batch of %d bytes; at most %d fit into a scratch slot", c.slot, maxSlot)
	}
	c.out.Slot = c.slot
	return c, c.complete()
}

// maxSlot is the most bytes of a scratch slot: what the kernel allows a per-CPU value (PCPU_MIN_UNIT_SIZE).
const maxSlot = 32 << 10

// declare takes a statement's table, sites and sizes into the result.
func (c *compiler) declare(i int) error {
	s := &c.plan.Statements[i]
	l := schemas.LayoutOf(&s.Table)
	// A sample carries the slot up to the records' end, so the slack needs room of its own in the slot only.
	need := int(unsafe.Sizeof(schemas.WireBatch{})) + room(l)
	if l.Max > schemas.MaxRecord || need > maxSlot {
		return fmt.Errorf("compiling table %q: its records can take %d bytes; at most %d go into a sample", s.Table.Name, l.Max, schemas.MaxRecord)
	}
	if len(s.Table.Fields) > schemas.MaxFields || len(s.Fields) != len(s.Table.Fields) {
		return fmt.Errorf("compiling table %q: %d fields with %d expressions; at most %d", s.Table.Name, len(s.Table.Fields), len(s.Fields), schemas.MaxFields)
	}
	c.slot = max(c.slot, need)
	for len(c.out.Tables) <= int(s.Table.ID) {
		c.out.Tables = append(c.out.Tables, schemas.Table{ID: unset})
	}
	c.out.Tables[s.Table.ID] = s.Table
	for k := range s.Sites {
		site := s.Sites[k].Site
		for len(c.out.Sites) <= int(site.ID) {
			c.out.Sites = append(c.out.Sites, SitePlan{Stmt: -1})
		}
		if c.out.Sites[site.ID].Stmt >= 0 {
			return fmt.Errorf("compiling table %q: site %d is there twice", s.Table.Name, site.ID)
		}
		c.out.Sites[site.ID] = SitePlan{Site: site, Stmt: i, RefCtr: s.Sites[k].RefCtrOffset}
	}
	c.out.Stmts[i] = StmtPlan{
		Table: s.Table.ID, Kind: s.Kind, Sites: len(s.Sites), Layout: l, FixedBytes: l.Fixed, MaxBytes: l.Max,
	}
	return nil
}

const unset = ^schemas.TableID(0)

// complete checks that table and site ids are dense.
func (c *compiler) complete() error {
	for i := range c.out.Tables {
		if c.out.Tables[i].ID == unset {
			return fmt.Errorf("compiling: no statement has table %d", i)
		}
	}
	for i := range c.out.Sites {
		if c.out.Sites[i].Stmt < 0 {
			return fmt.Errorf("compiling: no statement has site %d", i)
		}
	}
	return nil
}

// params are the numbers of every program; the caller adds its own. What is not there is 0.
func (c *compiler) params() params {
	return params{
		bpf.ParamMode:     int64(c.cfg.Mode),
		bpf.ParamSelf:     int64(c.cfg.SelfPID),
		bpf.ParamChildren: number(c.cfg.Children),
		bpf.ParamCmpxchg:  number(c.cfg.Features.Cmpxchg),
		bpf.ParamTaskBTF:  number(c.cfg.Features.TaskBTF),
		bpf.ParamTaskRegs: number(c.cfg.Features.TaskBTF && c.cfg.Features.TaskRegs),
		bpf.ParamSlot:     int64(c.slot),
		bpf.ParamSites:    int64(len(c.out.Sites)),
	}
}

func number(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// statement makes a statement's programs.
func (c *compiler) statement(i int) error {
	s := &c.plan.Statements[i]
	c.kstack = c.kstack || uses(s, resolve.OpKstack)
	c.ustack = c.ustack || uses(s, resolve.OpUstack)
	switch s.Kind {
	case schemas.KindSyscall:
		return nil // by layers
	case schemas.KindKcall, schemas.KindUcall:
		return c.functions(i)
	case schemas.KindTracepoint, schemas.KindRawTracepoint, schemas.KindKprobe, schemas.KindKretprobe, schemas.KindFentry, schemas.KindFexit,
		schemas.KindUprobe, schemas.KindUretprobe, schemas.KindUSDT:
		return c.points(i)
	}
	return fmt.Errorf("there is no probe kind %s", s.Kind)
}

// uses reports whether a statement has an operation.
func uses(s *resolve.Statement, op resolve.Op) bool {
	var has func(x *resolve.Expr) bool
	has = func(x *resolve.Expr) bool {
		if x == nil {
			return false
		}
		return x.Op == op || has(x.X) || has(x.Y) || has(x.Z)
	}
	any := func(e exprs) bool {
		for _, x := range e.fields {
			if has(x) {
				return true
			}
		}
		return has(e.filter) || has(e.exitFilter)
	}
	for k := range s.Sites {
		if any(exprsOf(s, &s.Sites[k])) {
			return true
		}
	}
	return false
}

// exprsOf returns what a site evaluates: its own expressions, or the statement's.
func exprsOf(s *resolve.Statement, site *resolve.Site) exprs {
	e := exprs{s.Filter, s.ExitFilter, s.Fields}
	if own := site.Own; own != nil {
		e = exprs{own.Filter, own.ExitFilter, own.Fields}
		if len(own.Fields) == 0 {
			e.fields = s.Fields
		}
	}
	return e
}

// fixed makes the programs that every recording has: those that follow tasks twice where one can be skipped.
func (c *compiler) fixed() error {
	p := c.params()
	for _, name := range []string{bpf.ProgFlush, bpf.ProgTaskFree} {
		if _, err := c.instance(name, name, p, nil, nil); err != nil {
			return err
		}
	}
	first := params{bpf.ParamTwin: bpf.TwinNone}
	var turns map[string]string
	if c.cfg.Features.RawPreempt {
		first[bpf.ParamTwin] = bpf.TwinFirst
		turns = map[string]string{bpf.MapTaskTurns: bpf.MapTaskTurns}
		c.addMap(bpf.MapTaskTurns, turns).MaxEntries = maxTurns
	}
	for _, name := range []string{bpf.ProgTaskNew, bpf.ProgTaskExec, bpf.ProgTaskRename, bpf.ProgTaskExit} {
		if _, err := c.instance(name, name, p.with(first), nil, turns); err != nil {
			return err
		}
		if turns == nil {
			continue
		}
		if _, err := c.instance(name, Twin(name), p.with(params{bpf.ParamTwin: bpf.TwinSecond}), nil, turns); err != nil {
			return err
		}
	}
	return nil
}

// maxTurns is how many tasks can be between the two copies of a program at once; each is there for microseconds.
const maxTurns = 1 << 10

// Twin is the name of a program's second copy, which is attached too where it exists.
func Twin(name string) string { return name + "_2" }

// finish sizes the maps. Their BTF goes where it would contradict the new size.
func (c *compiler) finish() {
	maps := c.out.Spec.Maps
	for _, name := range []string{
		bpf.MapEvents, bpf.MapTasks, bpf.MapCPUs, bpf.MapSlots, bpf.MapCounters, bpf.MapTargets, bpf.MapCgroups, bpf.MapSession,
	} {
		maps[name] = c.from.Maps[name].Copy()
	}
	resize(maps[bpf.MapSlots], c.slot, 4)
	resize(maps[bpf.MapCounters], int(unsafe.Sizeof(schemas.WireCounters{})), max(1, len(c.out.Sites))) // of one CPU: the session knows how many there are
	if c.cfg.Mode == TargetPIDs {
		maps[bpf.MapTargets].MaxEntries = maxTargets
	}
	for name, used := range map[string]bool{MapKstacks: c.kstack, MapUstacks: c.ustack} {
		if used {
			maps[name] = &ebpf.MapSpec{Name: name, Type: ebpf.StackTrace, KeySize: 4, ValueSize: 8 * StackDepth, MaxEntries: MaxStacks}
		}
	}
}

// Call stacks: the most frames of one, and how many different ones of the kernel, and of user programs, are kept.
const (
	StackDepth = 127
	MaxStacks  = 16 << 10
)

// UserStack is set in the ids of user programs' stacks, which have a map of their own.
const UserStack = 1 << 31

func resize(m *ebpf.MapSpec, value, entries int) {
	if int(m.ValueSize) != value {
		m.Key, m.Value = nil, nil
		m.ValueSize = uint32(value)
	}
	m.MaxEntries = uint32(entries)
}

// progName makes a program's name: what the kernel shows is its first 15 letters.
func progName(parts ...any) string {
	text := make([]string, len(parts))
	for i, p := range parts {
		text[i] = fmt.Sprint(p)
	}
	return strings.Join(text, "_")
}

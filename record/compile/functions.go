package compile

import (
	"fmt"
	"maps"
	"unsafe"

	"github.com/cilium/ebpf"

	"probetape/bpf"
	"probetape/record/resolve"
	"probetape/schemas"
)

// maxFentry is up to how many functions of a statement are attached by fentry and fexit, which take two programs for each.
const maxFentry = 64

// maxTrampolineArgs is how many argument slots fentry and fexit follow on every kernel.
const maxTrampolineArgs = 6

// functions makes the programs of a statement of function calls.
//
// A kernel function's call is taken by the best mechanism that the kernel has for it:
//
//  1. kprobe.session: one program and one link for all functions. The kernel joins entry and return, follows any number of calls at a
//     time, leaves out the returns of calls that are not wanted, and runs the program with preemption off.
//  2. fentry + fexit, up to maxFentry functions, where kernel code is not preempted: there a program that is preempted is skipped for the
//     CPU's other tasks. They cost a little less and follow any number of calls too, but take two programs for each function.
//  3. kprobe.multi + kretprobe.multi, then kprobe + kretprobe: they miss no entries, but a function that sleeps in more calls than the
//     kernel has set aside (10, or twice the CPUs) has its further returns missed.
func (c *compiler) functions(i int) error {
	s := &c.plan.Statements[i]
	st := &c.out.Stmts[i]
	f := &funcs{compiler: c, i: i, s: s, rename: map[string]string{
		bpf.MapFrames:     progName(bpf.MapFrames, i),
		bpf.MapFrameBlank: progName(bpf.MapFrameBlank, i),
	}}
	size := room(st.Layout)
	head := int(unsafe.Sizeof(bpf.Call{}) + unsafe.Sizeof(bpf.Nest{}))
	st.InFlight, st.InFlightSize = c.inFlightMaps(f.rename, bpf.MapFrames, bpf.MapFrameBlank, head, size)
	st.Mechanism = f.mechanism(&s.Sites[0])
	f.params = c.params().with(params{
		bpf.ParamTable: int64(s.Table.ID),
		bpf.ParamRoom:  int64(size),
		bpf.ParamErrno: number(s.Sites[0].Errno),
		bpf.ParamUser:  number(s.Kind.User()),
	})
	for k := range s.Sites {
		if err := f.site(&s.Sites[k]); err != nil {
			return err
		}
	}
	return f.finish()
}

// funcs makes the programs of one statement.
type funcs struct {
	*compiler
	i         int
	s         *resolve.Statement
	rename    map[string]string
	params    params
	addresses string
	shared    map[Mechanism]*SitePlan // sites of a mechanism that evaluate the same share programs
}

// mechanism chooses how a site is attached.
func (f *funcs) mechanism(site *resolve.Site) Mechanism {
	has := f.cfg.Features
	if f.s.Kind == schemas.KindUcall {
		if has.UprobeMulti {
			return MechUprobeMultiPair
		}
		return MechUprobePair
	}
	switch traced := site.ArgCount >= 0 && site.ArgCount <= maxTrampolineArgs; {
	case has.KprobeSession:
		return MechKprobeSession
	case has.Fentry && !has.Preempt && traced && len(f.s.Sites) <= maxFentry:
		return MechFentryPair
	case has.KprobeMulti:
		return MechKprobeMultiPair
	}
	return MechKprobePair
}

// site makes a site's programs, or gives it those that it shares.
func (f *funcs) site(site *resolve.Site) error {
	plan := &f.out.Sites[site.ID]
	plan.Mechanism, plan.Cookie = f.mechanism(site), uint64(site.ID)
	one := !f.shares(plan.Mechanism) || site.Own != nil
	if have := f.shared[plan.Mechanism]; have != nil && !one {
		plan.Entry, plan.Exit, plan.Addresses = have.Entry, have.Exit, have.Addresses
		return nil
	}
	name := progName("s", f.i, plan.Mechanism.short())
	if one {
		name = progName("s", f.i, site.ID)
	}
	if err := f.programs(site, plan, name, one); err != nil {
		return fmt.Errorf("making programs for site %q: %w", site.Name, err)
	}
	if !one {
		if f.shared == nil {
			f.shared = map[Mechanism]*SitePlan{}
		}
		f.shared[plan.Mechanism] = plan
	}
	return nil
}

// shares reports whether the sites of a mechanism can share a program: it must know at the entry whose it is.
func (f *funcs) shares(m Mechanism) bool {
	switch m {
	case MechFentryPair:
		return false
	case MechUprobePair:
		return f.cfg.Features.Cookie
	}
	return true
}

// short is a mechanism in a program's name.
func (m Mechanism) short() string {
	switch m {
	case MechKprobeSession:
		return "ks"
	case MechKprobeMultiPair, MechUprobeMultiPair:
		return "m"
	}
	return "p"
}

// programs makes the programs of a site, or of all that share them.
func (f *funcs) programs(site *resolve.Site, plan *SitePlan, name string, one bool) error {
	e := exprsOf(f.s, site)
	at := place{kind: f.s.Kind, args: argsRegisters}
	if plan.Mechanism == MechFentryPair {
		at.args = argsTrampoline
	}
	entry, exit, err := callBodies(f.s, e, at)
	if err != nil {
		return err
	}
	p := f.params.with(params{
		bpf.ParamFilter:     number(e.filter != nil),
		bpf.ParamExitFilter: number(e.exitFilter != nil),
		bpf.ParamArgs:       int64(f.argsAtExit(e)),
		bpf.ParamStale:      number(plan.Mechanism != MechKprobeSession),
		bpf.ParamSessionCtx: number(f.cfg.Features.SessionCtx),
		bpf.ParamSite:       int64(site.ID),
		bpf.ParamResultAt:   int64(8 * site.ArgCount),
	})
	switch {
	case one:
	case plan.Mechanism == MechKprobePair && !f.cfg.Features.Cookie:
		p[bpf.ParamAddress], p[bpf.ParamSite] = 1, int64(int32(-1))
		f.addressMap()
		plan.Addresses = f.addresses
	default:
		p[bpf.ParamCookie] = 1
	}
	switch plan.Mechanism {
	case MechKprobeSession:
		plan.Entry = name
		return f.program(bpf.ProgFuncSession, name, ebpf.AttachTraceKprobeSession, "", p, append(entry, exit...))
	case MechFentryPair:
		plan.Entry, plan.Exit = name+"_in", name+"_out"
		if err := f.program(bpf.ProgFuncFentry, plan.Entry, ebpf.AttachTraceFEntry, site.Symbol, p, entry); err != nil {
			return err
		}
		return f.program(bpf.ProgFuncFexit, plan.Exit, ebpf.AttachTraceFExit, site.Symbol, p, exit)
	}
	kind := ebpf.AttachNone
	switch plan.Mechanism {
	case MechKprobeMultiPair:
		kind = ebpf.AttachTraceKprobeMulti
	case MechUprobeMultiPair:
		kind = ebpf.AttachTraceUprobeMulti
	}
	plan.Entry, plan.Exit = name+"_in", name+"_out"
	if err := f.program(bpf.ProgFuncEnter, plan.Entry, kind, "", p, entry); err != nil {
		return err
	}
	// A return's address is not its function's: the entry has left whose it is.
	return f.program(bpf.ProgFuncExit, plan.Exit, kind, "", p.with(params{bpf.ParamAddress: 0}), exit)
}

func (f *funcs) program(skeleton, name string, kind ebpf.AttachType, to string, p params, bodies []body) error {
	rename := maps.Clone(f.rename)
	if p[bpf.ParamAddress] != 0 {
		rename[bpf.MapAddresses] = f.addresses
	}
	prog, err := f.instance(skeleton, name, p, bodies, rename)
	if err != nil {
		return err
	}
	prog.AttachType, prog.AttachTo = kind, to
	f.account(f.i, prog)
	return nil
}

// argsAtExit returns the set of arguments that are used at the return.
func (f *funcs) argsAtExit(e exprs) uint32 {
	used := usedArgs(e.exitFilter)
	for i, field := range f.s.Table.Fields {
		if field.AtExit || retried(field, e.fields[i]) {
			used |= usedArgs(e.fields[i])
		}
	}
	return used
}

// addressMap adds the map of the sites' addresses.
func (f *funcs) addressMap() {
	f.addresses = progName(bpf.MapAddresses, f.i)
	f.addMap(bpf.MapAddresses, map[string]string{bpf.MapAddresses: f.addresses}).MaxEntries = uint32(addressesPerSite * len(f.s.Sites))
}

// gone makes the program that ends the calls of a task in some way, and calls itself until there are none left.
func (f *funcs) gone(name string, end schemas.End) error {
	again := progName(name, "again")
	m := f.addMap(bpf.MapGoneAgain, map[string]string{bpf.MapGoneAgain: again})
	m.Contents = []ebpf.MapKV{{Key: uint32(0), Value: name}}
	rename := maps.Clone(f.rename)
	rename[bpf.MapGoneAgain] = again
	prog, err := f.instance(bpf.ProgFuncGone, name, f.params.with(params{bpf.ParamGone: int64(end)}), nil, rename)
	if err != nil {
		return err
	}
	f.account(f.i, prog)
	return nil
}

// finish adds what ends the calls of tasks that are gone.
func (f *funcs) finish() error {
	fn := Function{Stmt: f.i, Gone: progName("s", f.i, "gone")}
	calls := CallMap{Name: f.rename[bpf.MapFrames], Function: true, Dead: schemas.EndReturnMissed}
	if f.s.Kind.User() {
		calls.Dead = schemas.EndUnwound
		// What a program's functions were doing is over when another program takes its place.
		fn.Exec = progName("s", f.i, "exec")
		for _, name := range f.twins(fn.Exec) {
			if err := f.gone(name, schemas.EndUnwound); err != nil {
				return err
			}
		}
	}
	for _, name := range f.twins(fn.Gone) {
		if err := f.gone(name, schemas.EndThreadExited); err != nil {
			return err
		}
	}
	f.out.Calls = append(f.out.Calls, calls)
	f.out.Functions = append(f.out.Functions, fn)
	return nil
}

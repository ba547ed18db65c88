package compile

import (
	"fmt"

	"github.com/cilium/ebpf"

	"probetape/bpf"
	"probetape/record/resolve"
	"probetape/schemas"
)

// points makes the programs of a point statement: one for all sites where the attach cookie can tell them apart and they evaluate the same,
// else one for each site.
func (c *compiler) points(i int) error {
	s := &c.plan.Statements[i]
	skeleton, mech, cookies := c.pointKind(s.Kind, len(s.Sites))
	c.out.Stmts[i].Mechanism = mech
	shared := ""
	for k := range s.Sites {
		site := &s.Sites[k]
		plan := &c.out.Sites[site.ID]
		plan.Mechanism, plan.Cookie = mech, uint64(site.ID)
		if cookies && site.Own == nil {
			if shared == "" {
				shared = progName("s", i)
				if err := c.point(i, shared, skeleton, mech, site, true); err != nil {
					return err
				}
			}
			plan.Entry = shared
			continue
		}
		plan.Entry = progName("s", i, site.ID)
		if err := c.point(i, plan.Entry, skeleton, mech, site, false); err != nil {
			return err
		}
	}
	return nil
}

// pointKind says by which skeleton and mechanism a kind of points is attached, and whether its sites can share a program.
func (c *compiler) pointKind(k schemas.ProbeKind, sites int) (skeleton string, m Mechanism, cookies bool) {
	f := c.cfg.Features
	switch k {
	case schemas.KindTracepoint:
		return bpf.ProgTracepoint, MechTracepoint, f.Cookie
	case schemas.KindRawTracepoint:
		return bpf.ProgRawTracepoint, MechRawTracepoint, false
	case schemas.KindKprobe, schemas.KindKretprobe:
		if f.KprobeMulti && sites > 1 {
			return bpf.ProgRegs, MechKprobeMulti, true
		}
		return bpf.ProgRegs, MechKprobe, f.Cookie
	}
	if f.UprobeMulti {
		return bpf.ProgRegs, MechUprobeMulti, true
	}
	return bpf.ProgRegs, MechUprobe, f.Cookie
}

// point makes one program of a point statement.
func (c *compiler) point(i int, name, skeleton string, m Mechanism, site *resolve.Site, cookie bool) error {
	s := &c.plan.Statements[i]
	e := exprsOf(s, site)
	at := place{kind: s.Kind, argCount: site.ArgCount}
	var bodies []body
	if e.filter != nil {
		insns, err := filterFunc(bpf.FuncFilterEntry, at, e.filter)
		if err != nil {
			return err
		}
		bodies = append(bodies, body{bpf.FuncFilterEntry, insns})
	}
	insns, err := captureEntry(at, &s.Table, e.fields)
	if err != nil {
		return err
	}
	bodies = append(bodies, body{bpf.FuncCaptureEntry, insns})
	prog, err := c.instance(skeleton, name, c.params().with(params{
		bpf.ParamCookie: number(cookie),
		bpf.ParamSite:   int64(site.ID),
		bpf.ParamTable:  int64(s.Table.ID),
		bpf.ParamRoom:   int64(room(c.out.Stmts[i].Layout)),
		bpf.ParamFilter: number(e.filter != nil),
	}), bodies, nil)
	if err != nil {
		return fmt.Errorf("making program for site %q: %w", site.Name, err)
	}
	switch m {
	case MechUprobeMulti:
		prog.AttachType = ebpf.AttachTraceUprobeMulti
	case MechKprobeMulti:
		prog.AttachType = ebpf.AttachTraceKprobeMulti
	}
	c.account(i, prog)
	return nil
}

func (c *compiler) account(i int, prog *ebpf.ProgramSpec) {
	st := &c.out.Stmts[i]
	st.Programs = append(st.Programs, prog.Name)
	st.Instructions += len(prog.Instructions)
}

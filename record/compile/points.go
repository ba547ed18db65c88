package compile

import (
	"fmt"

	"github.com/cilium/ebpf"

	"probetape/bpf"
	"probetape/record/resolve"
	"probetape/schemas"
)

// points makes the programs of a point statement: one for all sites of a mechanism where they can be told apart and evaluate the same, else
// one for each site.
func (c *compiler) points(i int) error {
	s := &c.plan.Statements[i]
	shared := map[Mechanism]string{}
	addresses := ""
	for k := range s.Sites {
		site := &s.Sites[k]
		plan := &c.out.Sites[site.ID]
		way := c.pointWay(s, site)
		plan.Mechanism, plan.Cookie = way.mech, uint64(site.ID)
		if k == 0 {
			c.out.Stmts[i].Mechanism = way.mech
		}
		if way.tell == tellNot || site.Own != nil {
			plan.Entry = progName("s", i, site.ID)
			way.tell = tellNot
			if err := c.point(i, plan.Entry, way, site, nil); err != nil {
				return err
			}
			continue
		}
		rename := map[string]string{}
		if way.tell == tellAddress {
			if addresses == "" {
				addresses = progName(bpf.MapAddresses, i)
				rename[bpf.MapAddresses] = addresses
				c.addMap(bpf.MapAddresses, rename).MaxEntries = uint32(addressesPerSite * len(s.Sites))
			}
			plan.Addresses = addresses
		}
		if shared[way.mech] == "" {
			shared[way.mech] = progName("s", i, len(shared))
			if err := c.point(i, shared[way.mech], way, site, rename); err != nil {
				return err
			}
		}
		plan.Entry = shared[way.mech]
	}
	return nil
}

// addressesPerSite is how many addresses a site can have: a function's first instruction, and the one behind endbr64.
const addressesPerSite = 2

// A way is how a point is attached.
type way struct {
	skeleton string
	mech     Mechanism
	tell     tell
	attach   ebpf.AttachType
	to       string
}

// A tell is how a program knows at which of its sites it runs.
type tell uint8

const (
	tellNot     tell = iota // it has one site only
	tellCookie              // attach cookies
	tellAddress             // the address of the probe
)

func (c *compiler) pointWay(s *resolve.Statement, site *resolve.Site) way {
	f := c.cfg.Features
	cookie := tellNot
	if f.Cookie {
		cookie = tellCookie
	}
	switch s.Kind {
	case schemas.KindTracepoint:
		return way{skeleton: bpf.ProgTracepoint, mech: MechTracepoint, tell: cookie}
	case schemas.KindRawTracepoint:
		return way{skeleton: bpf.ProgRawTracepoint, mech: MechRawTracepoint}
	case schemas.KindFentry:
		return way{skeleton: bpf.ProgTracing, mech: MechFentry, attach: ebpf.AttachTraceFEntry, to: site.Symbol}
	case schemas.KindFexit:
		return way{skeleton: bpf.ProgTracing, mech: MechFexit, attach: ebpf.AttachTraceFExit, to: site.Symbol}
	case schemas.KindKprobe, schemas.KindKretprobe:
		if f.KprobeMulti && site.Offset == 0 {
			return way{skeleton: bpf.ProgRegs, mech: MechKprobeMulti, tell: tellCookie, attach: ebpf.AttachTraceKprobeMulti}
		}
		if s.Kind == schemas.KindKprobe && !f.Cookie && len(s.Sites) > 1 {
			cookie = tellAddress
		}
		return way{skeleton: bpf.ProgRegs, mech: MechKprobe, tell: cookie}
	}
	if f.UprobeMulti {
		return way{skeleton: bpf.ProgRegs, mech: MechUprobeMulti, tell: tellCookie, attach: ebpf.AttachTraceUprobeMulti}
	}
	return way{skeleton: bpf.ProgRegs, mech: MechUprobe, tell: cookie}
}

// point makes one program of a point statement.
func (c *compiler) point(i int, name string, way way, site *resolve.Site, rename map[string]string) error {
	s := &c.plan.Statements[i]
	e := exprsOf(s, site)
	at := place{kind: s.Kind, args: argsOf(s.Kind), argCount: site.ArgCount}
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
	prog, err := c.instance(way.skeleton, name, c.params().with(params{
		bpf.ParamCookie:  number(way.tell == tellCookie),
		bpf.ParamAddress: number(way.tell == tellAddress),
		bpf.ParamSite:    int64(site.ID),
		bpf.ParamTable:   int64(s.Table.ID),
		bpf.ParamRoom:    int64(room(c.out.Stmts[i].Layout)),
		bpf.ParamFilter:  number(e.filter != nil),
		bpf.ParamUser:    number(s.Kind.User()),
	}), bodies, rename)
	if err != nil {
		return fmt.Errorf("making program for site %q: %w", site.Name, err)
	}
	prog.AttachType, prog.AttachTo = way.attach, way.to
	c.account(i, prog)
	return nil
}

func (c *compiler) account(i int, prog *ebpf.ProgramSpec) {
	st := &c.out.Stmts[i]
	st.Programs = append(st.Programs, prog.Name)
	st.Instructions += len(prog.Instructions)
}

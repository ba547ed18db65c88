package attach

import (
	"debug/elf"
	"fmt"
	"os"
	"testing"

	"probetape/record/resolve"
	"probetape/schemas"
)

// userSite finds a function's file offset.
func userSite(t *testing.T, path, symbol string) resolve.Site {
	t.Helper()
	f, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	syms, err := f.Symbols()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range syms {
		if s.Name != symbol {
			continue
		}
		for _, p := range f.Progs {
			if p.Type == elf.PT_LOAD && s.Value >= p.Vaddr && s.Value < p.Vaddr+p.Memsz {
				return resolve.Site{Site: schemas.Site{Name: symbol, Symbol: symbol, Module: path, Address: s.Value - p.Vaddr + p.Off}, ArgCount: -1}
			}
		}
	}
	t.Fatalf("no symbol %s", symbol)
	return resolve.Site{}
}

func TestUprobe(t *testing.T) {
	needRoot(t)
	prog := buildC(t, "work")
	const n = 1000
	text := func(x *resolve.Expr) []*resolve.Expr { return []*resolve.Expr{arg(0), x, arg(7)} }
	fields := []schemas.Field{{Name: "a", Type: schemas.TypeI64}, {Name: "s", Type: schemas.TypeString, MaxLen: 20}, {Name: "h", Type: schemas.TypeU64}}
	odd := &resolve.Expr{Op: resolve.OpEq, X: &resolve.Expr{Op: resolve.OpMod, X: arg(0), Y: &resolve.Expr{Op: resolve.OpConst, Int: 2}, Type: u64()}, Y: &resolve.Expr{Op: resolve.OpConst, Int: 1}}
	p := plan(
		resolve.Statement{Kind: schemas.KindUprobe, Sites: []resolve.Site{userSite(t, prog, "work")}, Table: schemas.Table{Fields: fields}, Fields: text(userStr(arg(1), 20))},
		resolve.Statement{Kind: schemas.KindUretprobe, Sites: []resolve.Site{userSite(t, prog, "work"), userSite(t, prog, "other")}, Table: schemas.Table{Fields: []schemas.Field{{Name: "ret", Type: schemas.TypeI64}}}, Fields: []*resolve.Expr{ret()}},
		resolve.Statement{Kind: schemas.KindUprobe, Filter: odd, Sites: []resolve.Site{userSite(t, prog, "work")}},
	)
	got := record(t, p, Options{}, prog, fmt.Sprint(n))
	for site, want := range []uint64{n, n, n / 2, n / 2} {
		l, c := got.decoder.Ledger(schemas.SiteID(site)), got.counts[site]
		if c.Attempted != want || l.Seen+l.After != want || l.Bad != 0 {
			t.Errorf("site %d: attempted %d, seen %d, bad %d, want %d", site, c.Attempted, l.Seen+l.After, l.Bad, want)
		}
	}
	b := &got.tables[0]
	seen := map[int64]bool{}
	for i := range b.Len {
		a, s, h := b.Columns[0].Ints[i], string(b.Columns[1].Bytes(i)), b.Columns[2].Ints[i]
		want := fmt.Sprintf("call %d of them, a rather long one", a)[:20]
		if s != want || h != 80+a || !b.Columns[1].Cut.Get(i) || b.Columns[1].Null.Get(i) {
			t.Fatalf("row %d: a=%d s=%q h=%d", i, a, s, h)
		}
		seen[a] = true
	}
	if len(seen) != n {
		t.Errorf("%d different calls, want %d", len(seen), n)
	}
	r := &got.tables[1]
	sum := int64(0)
	for i := range r.Len {
		if r.Site[i] == 1 {
			sum += r.Columns[0].Ints[i]
		}
	}
	want := int64(0)
	for i := int64(0); i < n; i++ {
		want += i*3 - (80 + i)
	}
	if sum != want {
		t.Errorf("sum of work's results %d, want %d", sum, want)
	}
}

func TestTracepoints(t *testing.T) {
	needRoot(t)
	if _, err := os.Stat("/sys/kernel/tracing/events"); err != nil {
		t.Fatalf("tracefs is not mounted: %v", err)
	}
	prog := buildC(t, "work")
	const n = 500
	u32 := resolve.Type{Kind: resolve.KindInt, Size: 4}
	comm := func(text string) *resolve.Expr {
		return &resolve.Expr{Op: resolve.OpEq,
			X: &resolve.Expr{Op: resolve.OpComm, Type: resolve.Type{Kind: resolve.KindString, Max: 16}},
			Y: &resolve.Expr{Op: resolve.OpText, Text: text, Type: resolve.Type{Kind: resolve.KindString, Max: len(text)}}}
	}
	tp := func(name string) resolve.Site {
		return resolve.Site{Site: schemas.Site{Name: name, Category: "syscalls"}, ArgCount: -1}
	}
	p := plan(
		resolve.Statement{Kind: schemas.KindTracepoint, Sites: []resolve.Site{tp("sys_enter_getpgid"), tp("sys_enter_execve")}, Filter: comm("work"),
			Table:  schemas.Table{Fields: []schemas.Field{{Name: "nr", Type: schemas.TypeI32}, {Name: "comm", Type: schemas.TypeString, MaxLen: 16}}},
			Fields: []*resolve.Expr{{Op: resolve.OpCtx, Int: 8, Size: 4, Type: u32}, {Op: resolve.OpComm, Type: resolve.Type{Kind: resolve.KindString, Max: 16}}}},
		resolve.Statement{Kind: schemas.KindRawTracepoint, Sites: []resolve.Site{{Site: schemas.Site{Name: "sys_enter"}}},
			Filter: &resolve.Expr{Op: resolve.OpEq, X: arg(1), Y: &resolve.Expr{Op: resolve.OpConst, Int: 121}},
			Table:  schemas.Table{Fields: []schemas.Field{{Name: "nr", Type: schemas.TypeU64}}}, Fields: []*resolve.Expr{arg(1)}},
		resolve.Statement{Kind: schemas.KindTracepoint, Sites: []resolve.Site{tp("sys_enter_getpgid")}, Filter: comm("wor")},
		resolve.Statement{Kind: schemas.KindTracepoint, Sites: []resolve.Site{tp("sys_enter_getpgid")}, Filter: comm("work2")},
	)
	got := record(t, p, Options{}, prog, fmt.Sprint(n))
	for site, want := range []uint64{n, 0, n, 0, 0} {
		l, c := got.decoder.Ledger(schemas.SiteID(site)), got.counts[site]
		if c.Attempted != want || l.Seen+l.After != want {
			t.Errorf("site %d: attempted %d, seen %d, want %d", site, c.Attempted, l.Seen+l.After, want)
		}
	}
	b := &got.tables[0]
	for i := range b.Len {
		if b.Columns[0].Ints[i] != 121 || string(b.Columns[1].Bytes(i)) != "work" {
			t.Fatalf("row %d: nr %d comm %q", i, b.Columns[0].Ints[i], b.Columns[1].Bytes(i))
		}
	}
}

package attach

import (
	"bufio"
	"cmp"
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"probetape/record/compile"
	"probetape/record/resolve"
	"probetape/schemas"
)

// functionCalls is a statement of calls with the first argument as it was at the entry, the first argument as it is remembered at the return,
// and the return value.
func functionCalls(kind schemas.ProbeKind, sites ...resolve.Site) resolve.Statement {
	return resolve.Statement{
		Kind: kind, Sites: sites,
		Table: schemas.Table{Fields: []schemas.Field{
			{Name: "n", Type: schemas.TypeI64},
			{Name: "again", Type: schemas.TypeI64, AtExit: true},
			{Name: "ret", Type: schemas.TypeI64, AtExit: true}}},
		Fields: []*resolve.Expr{arg(0), arg(0), ret()},
	}
}

// ucalls records a run of nested_calls.
func ucalls(t *testing.T, symbols []string, args ...string) *rows {
	t.Helper()
	prog := buildC(t, "nested_calls")
	var sites []resolve.Site
	for _, name := range symbols {
		sites = append(sites, userSite(t, prog, name))
	}
	got := record(t, plan(functionCalls(schemas.KindUcall, sites...)), Options{BufferBytes: 16 << 20}, append([]string{prog}, args...)...)
	balance(t, got)
	return got
}

// balance holds that each site's ledger is even: nothing was lost, and what was attempted arrived. Calls under way at the end are rows
// that nobody attempted to send.
func balance(t *testing.T, got *rows) {
	t.Helper()
	for id, c := range got.counts {
		l := got.decoder.Ledger(schemas.SiteID(id))
		running := 0
		for i := range got.tables {
			if !got.tables[i].Table.Call {
				continue
			}
			running += ends(&got.tables[i], schemas.SiteID(id))[schemas.EndRunning]
		}
		if seen := l.Seen + l.After - uint64(running); seen != c.Attempted || l.Bad != 0 || c.MapFull != 0 {
			t.Errorf("site %d: %d seen, %d attempted, %d bad, %d without room", id, seen, c.Attempted, l.Bad, c.MapFull)
		}
	}
}

// TestRecursion pairs 50 calls that are within each other, by the argument that each was entered with, in the right order of nesting.
func TestRecursion(t *testing.T) {
	got := ucalls(t, []string{"deep"}, "deep", "50")
	wantEnds(t, got, 0, 0, map[schemas.End]int{schemas.EndReturned: 50})
	b := &got.tables[0]
	order := make([]int, b.Len)
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(x, y int) int { return cmp.Compare(b.Time[x], b.Time[y]) })
	for depth, i := range order {
		n := int64(49 - depth)
		if b.Columns[0].Ints[i] != n || b.Columns[1].Ints[i] != n || b.Columns[2].Ints[i] != n+1 {
			t.Fatalf("call %d: argument %d, at the return %d, result %d", depth, b.Columns[0].Ints[i], b.Columns[1].Ints[i], b.Columns[2].Ints[i])
		}
		if depth > 0 {
			around := order[depth-1]
			if b.Time[i] < b.Time[around] || b.Time[i]+b.Duration[i] > b.Time[around]+b.Duration[around] {
				t.Fatalf("call %d is not within call %d", depth, depth-1)
			}
		}
	}
}

// TestTooDeep counts the calls beyond the depth that is followed.
func TestTooDeep(t *testing.T) {
	prog := buildC(t, "nested_calls")
	got := record(t, plan(functionCalls(schemas.KindUcall, userSite(t, prog, "deep"))), Options{}, prog, "deep", "100")
	if c := got.counts[0]; c.Attempted != 100 || c.MapFull != 36 {
		t.Errorf("%+v; want 100 attempted, 36 of them beyond the depth of 64", c)
	}
	if n := got.decoder.Ledger(0).Seen + got.decoder.Ledger(0).After; n != 64 {
		t.Errorf("%d rows, want 64", n)
	}
}

func TestRecursionInThreads(t *testing.T) {
	got := ucalls(t, []string{"deep"}, "threads", "200")
	wantEnds(t, got, 0, 0, map[schemas.End]int{schemas.EndReturned: 4 * 200 * 50})
}

// TestLongjmp leaves 11 calls at once, over and over; calls at the same places of the stack follow.
func TestLongjmp(t *testing.T) {
	got := ucalls(t, []string{"jumps", "deep"}, "jump", "40")
	wantEnds(t, got, 0, 0, map[schemas.End]int{schemas.EndUnwound: 40 * 11})
	wantEnds(t, got, 0, 1, map[schemas.End]int{schemas.EndReturned: 40 * 3})
}

// TestTailCall has two functions return by one instruction.
func TestTailCall(t *testing.T) {
	got := ucalls(t, []string{"tail", "target"}, "tail", "100")
	wantEnds(t, got, 0, 0, map[schemas.End]int{schemas.EndReturned: 100})
	wantEnds(t, got, 0, 1, map[schemas.End]int{schemas.EndReturned: 100})
	b := &got.tables[0]
	for i := range b.Len {
		n, result := b.Columns[0].Ints[i], b.Columns[2].Ints[i]
		if want := map[schemas.SiteID]int64{0: 2 * (n + 1), 1: 2 * n}[b.Site[i]]; result != want {
			t.Fatalf("site %d called with %d returned %d, want %d", b.Site[i], n, result, want)
		}
	}
}

func TestExitWithinCalls(t *testing.T) {
	got := ucalls(t, []string{"leaves"}, "exit")
	wantEnds(t, got, 0, 0, map[schemas.End]int{schemas.EndThreadExited: 5})
}

// TestExecWithinCalls has a program's calls end when another program takes its place, which then makes calls of its own.
func TestExecWithinCalls(t *testing.T) {
	got := ucalls(t, []string{"leaves", "deep"}, "exec")
	wantEnds(t, got, 0, 0, map[schemas.End]int{schemas.EndUnwound: 5})
	wantEnds(t, got, 0, 1, map[schemas.End]int{schemas.EndReturned: 1})
}

// TestForkWithinCalls has children return from calls that their parents entered: those are nobody's rows.
func TestForkWithinCalls(t *testing.T) {
	got := ucalls(t, []string{"leaves"}, "fork", "10")
	wantEnds(t, got, 0, 0, map[schemas.End]int{schemas.EndReturned: 50})
	if n := got.counts[0].StartedBefore; n != 0 {
		t.Errorf("%d calls started before", n)
	}
}

// TestRunningCalls stops while five calls are under way.
func TestRunningCalls(t *testing.T) {
	f := needRoot(t)
	prog := buildC(t, "nested_calls")
	r := startRecording(t, plan(functionCalls(schemas.KindUcall, userSite(t, prog, "leaves"))),
		compile.Config{Mode: compile.TargetAll, Features: f, SelfPID: uint32(os.Getpid())}, Options{})
	r.attach(t)
	cmd := exec.Command(prog, "wait")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cmd.Process.Kill(); err != nil {
			t.Error(err)
		}
		if err := cmd.Wait(); err != nil && !strings.Contains(err.Error(), "killed") {
			t.Error(err)
		}
	})
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	got := r.stop(t)
	wantEnds(t, got, 0, 0, map[schemas.End]int{schemas.EndRunning: 5})
	balance(t, got)
}

// TestUcallFilters leaves calls out at the entry and at the return.
func TestUcallFilters(t *testing.T) {
	prog := buildC(t, "nested_calls")
	even := functionCalls(schemas.KindUcall, userSite(t, prog, "deep"))
	even.Filter = &resolve.Expr{Op: resolve.OpEq,
		X: &resolve.Expr{Op: resolve.OpMod, X: arg(0), Y: &resolve.Expr{Op: resolve.OpConst, Int: 2}, Type: u64()}, Y: &resolve.Expr{Op: resolve.OpConst}}
	large := functionCalls(schemas.KindUcall, userSite(t, prog, "deep"))
	large.ExitFilter = &resolve.Expr{Op: resolve.OpGt, X: ret(), Y: &resolve.Expr{Op: resolve.OpConst, Int: 40}}
	got := record(t, plan(even, large), Options{}, prog, "deep", "50")
	balance(t, got)
	wantEnds(t, got, 0, 0, map[schemas.End]int{schemas.EndReturned: 25})
	wantEnds(t, got, 1, 1, map[schemas.End]int{schemas.EndReturned: 10})
	for i := range got.tables[0].Len {
		if n := got.tables[0].Columns[0].Ints[i]; n%2 != 0 || got.tables[0].Columns[2].Ints[i] != n+1 {
			t.Fatalf("row of the call with %d, which returned %d", n, got.tables[0].Columns[2].Ints[i])
		}
	}
}

// TestUcallTinyBuffer holds that what does not fit is counted, to the call.
func TestUcallTinyBuffer(t *testing.T) {
	prog := buildC(t, "nested_calls")
	got := record(t, plan(functionCalls(schemas.KindUcall, userSite(t, prog, "deep"))), Options{BufferBytes: 1}, prog, "threads", "200")
	seen, attempted := got.decoder.Ledger(0).Seen+got.decoder.Ledger(0).After, got.counts[0].Attempted
	if attempted != 4*200*50 || seen >= attempted || seen == 0 {
		t.Errorf("%d seen of %d attempted, want some of %d", seen, attempted, 4*200*50)
	}
}

// TestGoReturnProbe refuses what would crash the traced program.
func TestGoReturnProbe(t *testing.T) {
	f := needRoot(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	entry, err := entryOffset(self)
	if err != nil {
		t.Fatal(err)
	}
	site := resolve.Site{Site: schemas.Site{Name: "start", Module: self, Address: entry}, ArgCount: -1}
	p := plan(functionCalls(schemas.KindUcall, site), resolve.Statement{Kind: schemas.KindUretprobe, Sites: []resolve.Site{site}},
		resolve.Statement{Kind: schemas.KindUprobe, Sites: []resolve.Site{site}})
	r := startRecording(t, p, compile.Config{Mode: compile.TargetAll, Features: f}, Options{})
	results, err := r.session.Attach()
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []error{ErrGoReturn, ErrGoReturn, nil} {
		if !errors.Is(results[i].Err, want) {
			t.Errorf("site %d: %v, want %v", i, results[i].Err, want)
		}
	}
	r.stop(t)
}

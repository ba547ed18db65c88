package attach

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"probetape/record/compile"
	"probetape/record/resolve"
	"probetape/schemas"
)

// kernelFeatures skips where the kernel has no kprobes.
func kernelFeatures(t testing.TB) compile.Features {
	t.Helper()
	f := needRoot(t)
	if !f.Kprobe {
		t.Skip("needs kprobe")
	}
	return f
}

var kernelSymbols = sync.OnceValues(func() (*symbols, error) {
	s := &symbols{}
	return s, s.read()
})

// kernelSite is a kernel function with args arguments.
func kernelSite(t testing.TB, name string, args int) resolve.Site {
	t.Helper()
	list, err := kernelSymbols()
	if err != nil {
		t.Fatal(err)
	}
	address, err := list.address(name)
	if err != nil {
		t.Fatal(err)
	}
	return resolve.Site{Site: schemas.Site{Name: name, Symbol: name, Address: address}, ArgCount: args, Errno: true}
}

// A mechanism is a way to follow calls of kernel functions, as a kernel that has no better one takes it.
type mechanism struct {
	want  compile.Mechanism
	needs string
	has   func(compile.Features) bool
	less  func(*compile.Features)
}

func mechanisms() []mechanism {
	all := []mechanism{
		{compile.MechKprobeSession, "kprobe.session", func(f compile.Features) bool { return f.KprobeSession }, func(*compile.Features) {}},
		{compile.MechFentryPair, "fentry", func(f compile.Features) bool { return f.Fentry }, func(f *compile.Features) { f.KprobeSession, f.Preempt = false, false }},
		{compile.MechKprobeMultiPair, "kprobe.multi", func(f compile.Features) bool { return f.KprobeMulti }, func(f *compile.Features) { f.Fentry = false }},
		{compile.MechKprobePair, "attach-cookie", func(f compile.Features) bool { return f.Cookie }, func(f *compile.Features) { f.KprobeMulti = false }},
		{compile.MechKprobePair, "kprobe", func(f compile.Features) bool { return f.Kprobe }, func(f *compile.Features) { f.Cookie = false }},
	}
	for i := 1; i < len(all); i++ {
		before, own := all[i-1].less, all[i].less
		all[i].less = func(f *compile.Features) { before(f); own(f) }
	}
	return all
}

// threads is from how many threads a program calls. With several, programs of fentry are skipped for a CPU's other tasks where the kernel
// preempts them, and kretprobes have too few places for calls that wait for each other (5.10: one for each CPU).
func (m mechanism) threads() int {
	if m.losesReturns() {
		return 1
	}
	return 4
}

func (m mechanism) losesReturns() bool {
	return m.want == compile.MechFentryPair || m.want == compile.MechKprobePair
}

// eachMechanism runs a test with every way that the kernel has.
func eachMechanism(t *testing.T, run func(t *testing.T, m mechanism, f compile.Features)) {
	f := kernelFeatures(t)
	for _, m := range mechanisms() {
		t.Run(m.needs, func(t *testing.T) {
			if !m.has(f) {
				t.Skip("needs " + m.needs)
			}
			g := f
			m.less(&g)
			run(t, m, g)
		})
	}
}

// recordKernel records a program's calls of kernel functions.
func recordKernel(t *testing.T, p *resolve.Plan, f compile.Features, opts Options, command ...string) *rows {
	t.Helper()
	cfg := compile.Config{Mode: compile.TargetPIDs, Children: true, SelfPID: uint32(os.Getpid()), Features: f, CPUs: 2}
	return recordWith(t, startRecording(t, p, cfg, opts), command...)
}

// The function that pipe_fcntl calls: pipe_fcntl(file, command, argument), in another source file than its caller, and alike on all kernels.
const traced = "pipe_fcntl"

const (
	getPipeSize = 1032 // F_GETPIPE_SZ
	pipeSize    = 65536
)

// fcntls is a statement of calls of it with an argument read at the entry, one remembered, and the result.
func fcntls(t *testing.T) resolve.Statement {
	return resolve.Statement{
		Kind: schemas.KindKcall, Sites: []resolve.Site{kernelSite(t, traced, 3), kernelSite(t, "vfs_fsync", 2)},
		Table: schemas.Table{Fields: []schemas.Field{
			{Name: "arg", Type: schemas.TypeU32}, {Name: "command", Type: schemas.TypeU32, AtExit: true}, {Name: "ret", Type: schemas.TypeI32, AtExit: true}}},
		Fields: []*resolve.Expr{arg(2), arg(1), {Op: resolve.OpRet, Type: resolve.Type{Kind: resolve.KindInt, Size: 4, Signed: true}}},
	}
}

// TestKcall counts calls from four threads by each mechanism, and holds every value against what the program passed and got. Entries that the
// kernel skipped are part of the sum; a call whose return it skipped is a row that says so.
func TestKcall(t *testing.T) {
	prog := buildC(t, "pipe_fcntl")
	const n = 4000
	eachMechanism(t, func(t *testing.T, m mechanism, f compile.Features) {
		got := recordKernel(t, plan(fcntls(t)), f, Options{BufferBytes: 16 << 20}, prog, fmt.Sprint(n))
		if mech := got.session.prog.Sites[0].Mechanism; mech != m.want {
			t.Errorf("attached by %q, want %q", mech, m.want)
		}
		balance(t, got)
		missed := uint64(max(got.counts[0].Missed, 0))
		if c := got.counts[0].Attempted + missed; c != n {
			t.Errorf("%d calls attempted and %d missed, want %d", got.counts[0].Attempted, missed, n)
		}
		b := &got.tables[0]
		for i := range b.Len {
			if m.losesReturns() && b.End[i] != schemas.EndReturned {
				continue
			}
			arg, command, ret := b.Columns[0].Ints[i], b.Columns[1].Ints[i], b.Columns[2].Ints[i]
			want, errno := int64(pipeSize), uint16(0)
			if arg/4%2 != 0 {
				want, errno = -int64(syscall.EBADF), uint16(syscall.EBADF)
			}
			if b.End[i] != schemas.EndReturned || command != getPipeSize || ret != want || b.Errno[i] != errno {
				t.Fatalf("row %d: argument %d, command %d, result %d, errno %d, %v", i, arg, command, ret, b.Errno[i], b.End[i])
			}
		}
	})
}

// TestKcallFilters leaves calls out at the entry and at the return.
func TestKcallFilters(t *testing.T) {
	prog := buildC(t, "pipe_fcntl")
	const n = 400
	eachMechanism(t, func(t *testing.T, m mechanism, f compile.Features) {
		first, failed := fcntls(t), fcntls(t)
		first.Filter = &resolve.Expr{Op: resolve.OpLt, X: &resolve.Expr{Op: resolve.OpArg, Int: 2, Type: i64()}, Y: &resolve.Expr{Op: resolve.OpConst, Int: 4 * 10}}
		failed.ExitFilter = &resolve.Expr{Op: resolve.OpLt, X: failed.Fields[2], Y: &resolve.Expr{Op: resolve.OpConst}}
		got := recordKernel(t, plan(first, failed), f, Options{}, prog, fmt.Sprint(n), fmt.Sprint(m.threads()))
		balance(t, got)
		wantEnds(t, got, 0, 0, map[schemas.End]int{schemas.EndReturned: m.threads() * 10})
		wantEnds(t, got, 1, 2, map[schemas.End]int{schemas.EndReturned: n / 2})
	})
}

// TestKcallTinyBuffer holds that what does not fit is counted, to the call.
func TestKcallTinyBuffer(t *testing.T) {
	prog := buildC(t, "pipe_fcntl")
	const n = 4000
	f := kernelFeatures(t)
	cfg := compile.Config{Mode: compile.TargetPIDs, SelfPID: uint32(os.Getpid()), Features: f, CPUs: 2, BatchBytes: 512}
	got := recordWith(t, startRecording(t, plan(fcntls(t)), cfg, Options{BufferBytes: 1}), prog, fmt.Sprint(n))
	seen, attempted := got.decoder.Ledger(0).Seen+got.decoder.Ledger(0).After, got.counts[0].Attempted
	if attempted != n || seen >= attempted || seen == 0 {
		t.Errorf("%d seen of %d attempted, want some of %d", seen, attempted, n)
	}
}

// TestKcallNested follows a call within another, of functions that are traced in different ways where the kernel has no types for one.
func TestKcallNested(t *testing.T) {
	prog := buildC(t, "pipe_fcntl")
	const n = 400
	eachMechanism(t, func(t *testing.T, m mechanism, f compile.Features) {
		s := resolve.Statement{Kind: schemas.KindKcall, Sites: []resolve.Site{kernelSite(t, "__x64_sys_fcntl", -1), kernelSite(t, traced, 3)}}
		got := recordKernel(t, plan(s), f, Options{}, prog, fmt.Sprint(n), fmt.Sprint(m.threads()))
		balance(t, got)
		wantEnds(t, got, 0, 0, map[schemas.End]int{schemas.EndReturned: n})
		wantEnds(t, got, 0, 1, map[schemas.End]int{schemas.EndReturned: n})
		b := &got.tables[0]
		around := map[schemas.TaskID][]int{}
		for i := range b.Len {
			if b.Site[i] == 0 {
				around[b.Task[i]] = append(around[b.Task[i]], i)
			}
		}
		within := func(i int) bool {
			for _, k := range around[b.Task[i]] {
				if b.Time[i] >= b.Time[k] && b.Time[i]+b.Duration[i] <= b.Time[k]+b.Duration[k] {
					return true
				}
			}
			return false
		}
		for i := range b.Len {
			if b.Site[i] == 1 && !within(i) {
				t.Fatalf("row %d: a call of pipe_fcntl is in no system call", i)
			}
		}
	})
}

// TestKcallEnds has calls that end with their thread, and calls that are under way when the recording stops.
func TestKcallEnds(t *testing.T) {
	blocked := buildC(t, "blocked_read")
	exits := buildC(t, "nested_calls")
	eachMechanism(t, func(t *testing.T, _ mechanism, f compile.Features) {
		s := resolve.Statement{Kind: schemas.KindKcall, Sites: []resolve.Site{kernelSite(t, "__x64_sys_exit_group", -1), kernelSite(t, "__x64_sys_pause", -1)}}
		r := startRecording(t, plan(s), compile.Config{Mode: compile.TargetAll, SelfPID: uint32(os.Getpid()), Features: f, CPUs: 2}, Options{})
		r.attach(t)
		cmd := exec.Command(blocked)
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
			t.Fatal(err)
		}
		if err := in.Close(); err != nil { // it reads the end and pauses
			t.Fatal(err)
		}
		waitForSyscall(t, cmd.Process.Pid, syscall.SYS_PAUSE)
		if err := exec.Command(exits, "exit").Run(); err != nil {
			t.Fatal(err)
		}
		got := r.stop(t)
		if err := cmd.Process.Kill(); err != nil {
			t.Error(err)
		}
		if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
			t.Error(err)
		}
		balance(t, got)
		wantEnds(t, got, 0, 0, map[schemas.End]int{schemas.EndThreadExited: 1})
		wantEnds(t, got, 0, 1, map[schemas.End]int{schemas.EndRunning: 1})
	})
}

// waitForSyscall waits until a process is in a system call, as the kernel says.
func waitForSyscall(t *testing.T, pid, number int) {
	t.Helper()
	for range 2000 {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/syscall", pid))
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(string(text), fmt.Sprint(number, " ")) {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatalf("process %d does not come to system call %d", pid, number)
}

// TestKernelPoints counts kprobes, also within a function, kretprobes, fentry and fexit.
func TestKernelPoints(t *testing.T) {
	f := kernelFeatures(t)
	prog := buildC(t, "pipe_fcntl")
	const n = 400
	entry := kernelSite(t, traced, 3)
	inside := entry
	inside.Offset = firstInstruction(t, entry.Address)
	offset := func(kind schemas.ProbeKind, site resolve.Site) resolve.Statement {
		return resolve.Statement{Kind: kind, Sites: []resolve.Site{site}, Table: schemas.Table{Fields: []schemas.Field{{Name: "x", Type: schemas.TypeI64}}},
			Fields: []*resolve.Expr{arg(2)}}
	}
	result := func(kind schemas.ProbeKind, site resolve.Site) resolve.Statement {
		s := offset(kind, site)
		s.Fields = []*resolve.Expr{{Op: resolve.OpCast, Type: i64(), X: &resolve.Expr{Op: resolve.OpRet, Type: resolve.Type{Kind: resolve.KindInt, Size: 4, Signed: true}}}}
		return s
	}
	both := offset(schemas.KindKprobe, entry)
	both.Sites = append(both.Sites, kernelSite(t, "vfs_fsync", 2))
	stmts := []resolve.Statement{
		offset(schemas.KindKprobe, entry), offset(schemas.KindKprobe, inside), both, result(schemas.KindKretprobe, entry),
	}
	if f.Fentry {
		fexit := result(schemas.KindFexit, entry)
		stmts = append(stmts, offset(schemas.KindFentry, entry), fexit, offset(schemas.KindFexit, entry))
	}
	got := recordKernel(t, plan(stmts...), f, Options{BufferBytes: 16 << 20}, prog, fmt.Sprint(n), "1")
	balance(t, got)
	for i, s := range stmts {
		site := s.Sites[0].ID
		if c := got.counts[site]; c.Attempted+uint64(max(c.Missed, 0)) != n {
			t.Errorf("%s %s: %d attempted, %d missed, want %d", s.Kind, s.Sites[0].Name, c.Attempted, c.Missed, n)
		}
		sum, b := int64(0), &got.tables[i]
		for row := range b.Len {
			sum += b.Columns[0].Ints[row]
		}
		want := int64(4 * n * (n - 1) / 2)
		if s.Fields[0].Op == resolve.OpCast {
			want = (pipeSize - int64(syscall.EBADF)) * n / 2
		}
		if sum != want && got.counts[site].Attempted == n {
			t.Errorf("%s %s at %#x: values add up to %d, want %d", s.Kind, s.Sites[0].Name, s.Sites[0].Offset, sum, want)
		}
	}
}

// firstInstruction returns the length of a function's first instruction behind the place for tracing: it is where a kprobe with an offset goes.
// Arguments are still in their registers there.
func firstInstruction(t *testing.T, address uint64) uint64 {
	t.Helper()
	const call = 5 // the call or the nop that every traceable function begins with
	const endbr = 4
	list, err := kernelSymbols()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := list.address("ibt_selftest"); err == nil {
		return endbr + call // kernels for CPUs with indirect branch tracking
	}
	return call
}

// TestKernelStacks takes the stacks of a kprobe and of the user program that came to it.
func TestKernelStacks(t *testing.T) {
	f := kernelFeatures(t)
	prog := buildC(t, "pipe_fcntl")
	s := resolve.Statement{Kind: schemas.KindKprobe, Sites: []resolve.Site{kernelSite(t, traced, 3)},
		Table:  schemas.Table{Fields: []schemas.Field{{Name: "k", Type: schemas.TypeStackID}, {Name: "u", Type: schemas.TypeStackID}}},
		Fields: []*resolve.Expr{{Op: resolve.OpKstack, Type: resolve.Type{Kind: resolve.KindStack}}, {Op: resolve.OpUstack, Type: resolve.Type{Kind: resolve.KindStack}}}}
	got := recordKernel(t, plan(s), f, Options{}, prog, "400")
	stacks := map[int64]schemas.Stack{}
	if err := got.session.Stacks(func(s schemas.Stack) error {
		s.Frames = append([]uint64(nil), s.Frames...)
		stacks[int64(s.ID)] = s
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := got.session.Stacks(func(s schemas.Stack) error {
		t.Errorf("stack %#x is handed over twice", s.ID)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	b := &got.tables[0]
	function := got.session.prog.Sites[0].Site.Address
	for i := range b.Len {
		k, u := stacks[b.Columns[0].Ints[i]], stacks[b.Columns[1].Ints[i]]
		if len(k.Frames) < 3 || k.User || k.Frames[0] < function || k.Frames[0] > function+64 {
			t.Fatalf("row %d: kernel stack %#x; want it to begin in the function at %#x", i, k.Frames, function)
		}
		if len(u.Frames) < 1 || !u.User || u.Frames[0]>>63 != 0 {
			t.Fatalf("row %d: user stack %#x", i, u.Frames)
		}
	}
	if b.Len != 400 {
		t.Errorf("%d rows, want 400", b.Len)
	}
}

// TestUntraceable holds that a function that cannot be probed says why, and leaves the others alone: by the kernel's best mechanism and by
// plain kprobes.
func TestUntraceable(t *testing.T) {
	best := kernelFeatures(t)
	plain := best
	for _, m := range mechanisms() {
		m.less(&plain)
	}
	for name, f := range map[string]compile.Features{"best": best, "plain": plain} {
		t.Run(name, func(t *testing.T) {
			s := functionCalls(schemas.KindKcall, kernelSite(t, traced, 3),
				resolve.Site{Site: schemas.Site{Name: "no_such_function", Symbol: "no_such_function"}, ArgCount: 1},
				resolve.Site{Site: schemas.Site{Name: "kprobe_dispatcher", Symbol: "kprobe_dispatcher"}, ArgCount: 2},
				kernelSite(t, "vfs_fsync", 2))
			r := startRecording(t, plan(s), compile.Config{Mode: compile.TargetAll, Features: f}, Options{})
			results, err := r.session.Attach()
			if err != nil {
				t.Fatal(err)
			}
			if results[0].Err != nil || results[3].Err != nil {
				t.Errorf("the others: %v, %v", results[0].Err, results[3].Err)
			}
			if !errors.Is(results[1].Err, ErrNoFunction) {
				t.Errorf("a function that is not there: %v", results[1].Err)
			}
			if err := results[2].Err; !errors.Is(err, ErrBlacklisted) && !errors.Is(err, ErrNotTraceable) {
				t.Errorf("a function of the probes themselves: %v", err)
			}
			r.stop(t)
		})
	}
}

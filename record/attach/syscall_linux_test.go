package attach

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"probetape/record/compile"
	"probetape/record/resolve"
	"probetape/schemas"
)

// calls is a statement of system calls with a return value and their first argument.
func calls(sites ...resolve.Site) resolve.Statement {
	return resolve.Statement{
		Kind: schemas.KindSyscall, Sites: sites,
		Table: schemas.Table{Fields: []schemas.Field{
			{Name: "a", Type: schemas.TypeU64}, {Name: "ret", Type: schemas.TypeI64, AtExit: true}}},
		Fields: []*resolve.Expr{arg(0), ret()},
	}
}

// ends counts the rows of a site by how they ended.
func ends(b *schemas.Batch, site schemas.SiteID) map[schemas.End]int {
	out := map[schemas.End]int{}
	for i := range b.Len {
		if b.Site[i] == site {
			out[b.End[i]]++
		}
	}
	return out
}

func wantEnds(t *testing.T, got *rows, table int, site schemas.SiteID, want map[schemas.End]int) {
	t.Helper()
	have := ends(&got.tables[table], site)
	if fmt.Sprint(have) != fmt.Sprint(want) {
		t.Errorf("site %d ended %v, want %v", site, have, want)
	}
}

// erestartnohand is what the kernel's own tracing sees of a call that a signal ended; the program sees EINTR or the call anew.
const erestartnohand = 514

// TestForkExecExit follows children from their first instruction, an exec from a thread, and calls that never return.
func TestForkExecExit(t *testing.T) {
	prog := buildC(t, "fork_exec_exit")
	p := plan(calls(syscallSite("fork", 57), syscallSite("vfork", 58), syscallSite("clone", 56), syscallSite("getppid", 110),
		syscallSite("execve", 59), syscallSite("exit_group", 231), syscallSite("pause", 34), syscallSite("clone3", 435)))
	got := record(t, p, Options{}, prog)
	wantEnds(t, got, 0, 0, map[schemas.End]int{schemas.EndReturned: 10})
	wantEnds(t, got, 0, 1, map[schemas.End]int{schemas.EndReturned: 10})
	wantEnds(t, got, 0, 3, map[schemas.End]int{schemas.EndReturned: 25})
	wantEnds(t, got, 0, 4, map[schemas.End]int{schemas.EndReturned: 7})
	wantEnds(t, got, 0, 5, map[schemas.End]int{schemas.EndThreadExited: 26})
	wantEnds(t, got, 0, 6, map[schemas.End]int{schemas.EndReturned: 5})
	threads := ends(&got.tables[0], 2)[schemas.EndReturned] + ends(&got.tables[0], 7)[schemas.EndReturned]
	if threads != 10 { // 5 fork() and 5 pthread_create()
		t.Errorf("%d clones, want 10", threads)
	}
	for site, c := range got.counts {
		if c.StartedBefore != 0 || c.MapFull != 0 {
			t.Errorf("site %d: %+v", site, c)
		}
	}
	errnos := 0
	for i := range got.tables[0].Len {
		if got.tables[0].Errno[i] != 0 {
			if got.tables[0].Site[i] == 6 && got.tables[0].Errno[i] == erestartnohand {
				continue // the other thread's execve ended the pause
			}
			errnos++
			if got.tables[0].Site[i] != 4 || syscall.Errno(got.tables[0].Errno[i]) != syscall.ENOENT {
				t.Errorf("row %d: site %d errno %d", i, got.tables[0].Site[i], got.tables[0].Errno[i])
			}
		}
	}
	if errnos != 1 {
		t.Errorf("%d rows with errno, want 1", errnos)
	}
}

// TestI386 tells 32-bit calls, which have their own numbers, from 64-bit ones.
func TestI386(t *testing.T) {
	prog := buildC(t, "i386_calls")
	site32 := resolve.Site{Site: schemas.Site{Name: "getppid", ABI: schemas.ABIi386, Number: 64}}
	got := record(t, plan(calls(site32, syscallSite("getppid", 110))), Options{}, prog)
	wantEnds(t, got, 0, 0, map[schemas.End]int{schemas.EndReturned: 30})
	wantEnds(t, got, 0, 1, map[schemas.End]int{schemas.EndReturned: 20})
	b := &got.tables[0]
	for i := range b.Len {
		want := int64(0x1234)
		if b.Site[i] == 1 {
			want = 0x5678
		}
		if b.Columns[0].Ints[i] != want {
			t.Fatalf("site %d: first argument %#x", b.Site[i], b.Columns[0].Ints[i])
		}
	}
}

// TestDenied holds that a refused call is a row of its own, with its arguments and what it returned.
func TestDenied(t *testing.T) {
	prog := buildC(t, "seccomp_denied")
	got := record(t, plan(calls(syscallSite("getppid", 110), syscallSite("prctl", 157))), Options{}, prog)
	wantEnds(t, got, 0, 0, map[schemas.End]int{schemas.EndReturned: 1, schemas.EndDenied: 12})
	wantEnds(t, got, 0, 1, map[schemas.End]int{schemas.EndReturned: 2})
	b := &got.tables[0]
	for i := range b.Len {
		if b.End[i] == schemas.EndDenied && (b.Columns[0].Ints[i] != 77 || b.Columns[1].Ints[i] != -int64(syscall.EACCES) || b.Errno[i] != uint16(syscall.EACCES)) {
			t.Fatalf("denied row: argument %d, result %d, errno %d", b.Columns[0].Ints[i], b.Columns[1].Ints[i], b.Errno[i])
		}
	}
}

// TestSharedLayer records statements that share the raw tracepoints, and one that cannot.
func TestSharedLayer(t *testing.T) {
	prog := buildC(t, "work")
	slow := calls(syscallSite("getpgid", 121))
	slow.ExitFilter = &resolve.Expr{Op: resolve.OpGe, X: &resolve.Expr{Op: resolve.OpDuration, Type: u64()}, Y: &resolve.Expr{Op: resolve.OpConst, Int: int64(time.Hour)}}
	all := slow
	all.ExitFilter = &resolve.Expr{Op: resolve.OpGe, X: &resolve.Expr{Op: resolve.OpRet, Type: i64()}, Y: &resolve.Expr{Op: resolve.OpConst, Int: 1}}
	all.Sites = []resolve.Site{syscallSite("getpgid", 121), syscallSite("execve", 59)}
	p := plan(calls(syscallSite("getpgid", 121)), calls(syscallSite("execve", 59)), calls(syscallSite("exit_group", 231)), slow, all)
	got := record(t, p, Options{}, prog, "300")
	for site, want := range []int{300, 1, 0, 0, 300, 0} {
		if n := ends(&got.tables[got.site(site)], schemas.SiteID(site))[schemas.EndReturned]; n != want {
			t.Errorf("site %d: %d returned, want %d", site, n, want)
		}
	}
	wantEnds(t, got, 2, 2, map[schemas.End]int{schemas.EndThreadExited: 1})
}

// site returns the table of a site.
func (r *rows) site(id int) schemas.TableID { return r.decoder.Site(schemas.SiteID(id)).Table }

// TestBlocked holds what a recording of a blocked process tells: its call began before, a later one is still running.
func TestBlocked(t *testing.T) {
	f := needRoot(t)
	prog := buildC(t, "blocked_read")
	cmd := exec.Command(prog)
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
	time.Sleep(50 * time.Millisecond)
	r := startRecording(t, plan(calls(syscallSite("read", 0), syscallSite("pause", 34))),
		compile.Config{Mode: compile.TargetPIDs, Features: f, SelfPID: uint32(os.Getpid())}, Options{})
	if err := r.session.AddTargets(uint32(cmd.Process.Pid)); err != nil {
		t.Fatal(err)
	}
	r.attach(t)
	if _, err := in.Write([]byte("xyz")); err != nil {
		t.Fatal(err)
	}
	time.Sleep(50 * time.Millisecond)
	got := r.stop(t)
	if n := got.counts[0].StartedBefore; n != 1 {
		t.Errorf("%d reads started before, want 1", n)
	}
	wantEnds(t, got, 0, 0, map[schemas.End]int{schemas.EndReturned: 2, schemas.EndRunning: 1})
}

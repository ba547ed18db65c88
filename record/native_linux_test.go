package record

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/cilium/ebpf"

	"probetape/record/attach"
	"probetape/record/compile"
	"probetape/record/launch"
	"probetape/record/resolve"
	"probetape/schemas"
)

// These tests record real programs in the running kernel. They need root, and x86-64's system call numbers.

// callerVar makes this test binary a program that calls getppid as often as the variable says on each of 4 threads.
const callerVar = "PROBETAPE_TEST_CALLS"

const callerThreads = 4

func TestMain(m *testing.M) {
	launch.Main()
	if text := os.Getenv(callerVar); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			os.Exit(2)
		}
		callGetppid(n)
		os.Exit(7)
	}
	os.Exit(m.Run())
}

func callGetppid(each int) {
	var wg sync.WaitGroup
	for range callerThreads {
		wg.Go(func() {
			runtime.LockOSThread()
			for range each {
				if _, _, e := syscall.RawSyscall(syscall.SYS_GETPPID, 0, 0, 0); e != 0 {
					os.Exit(3)
				}
			}
		})
	}
	wg.Wait()
}

// needRoot skips where the kernel refuses by rights, not by features.
func needRoot(t *testing.T) {
	t.Helper()
	if err := CheckPrivileges(); err != nil {
		t.Skip(err)
	}
}

// syscallPlan is what resolve makes of "syscall:NAME, ... { retval = retval }".
func syscallPlan(numbers map[string]int32) *resolve.Plan {
	u64 := resolve.Type{Kind: resolve.KindInt, Size: 8, Signed: true}
	p := &resolve.Plan{Statements: []resolve.Statement{{
		Table: schemas.Table{Name: "calls", Call: true, Fields: []schemas.Field{{Name: "retval", Type: schemas.TypeI64, AtExit: true}}},
		Kind:  schemas.KindSyscall, Line: 1,
		Fields: []*resolve.Expr{{Op: resolve.OpRet, Type: u64}},
	}}}
	for name, n := range numbers {
		p.Statements[0].Sites = append(p.Statements[0].Sites, resolve.Site{Site: schemas.Site{
			ID: schemas.SiteID(len(p.Statements[0].Sites)), Kind: schemas.KindSyscall, Name: name, ABI: schemas.ABIx8664, Number: n,
		}, ArgCount: -1})
	}
	return p
}

// closingCapture is a fakeCapture that is closed.
type closingCapture struct {
	*fakeCapture
	closed int
}

func (c *closingCapture) Close() error { c.closed++; return nil }

// recordNative records with a hand-made plan.
func recordNative(t *testing.T, plan *resolve.Plan, opts Options, args []string, env ...string) (*Result, *closingCapture, *Recorder) {
	t.Helper()
	needRoot(t)
	features, err := attach.Features()
	if err != nil {
		t.Fatal(err)
	}
	cpus, err := ebpf.PossibleCPU()
	if err != nil {
		t.Fatal(err)
	}
	prog, err := compile.Compile(plan, compile.Config{
		Mode: opts.Targets.mode(), Children: opts.Targets.Children, SelfPID: uint32(os.Getpid()), CPUs: cpus, Features: features,
	})
	if err != nil {
		t.Fatal(err)
	}
	var held *launch.Held
	if args != nil {
		command, err := launch.Find(args, append(os.Environ(), env...), nil)
		if err != nil {
			t.Fatal(err)
		}
		if held, err = launch.Start(command); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := held.Abandon(); err != nil {
				t.Error(err)
			}
		})
	}
	opts.Output = t.TempDir()
	capture := &closingCapture{fakeCapture: &fakeCapture{rows: map[schemas.SiteID]uint64{}}}
	r := New(opts, &Prepared{Plan: plan, Program: prog, syscallName: func(_ schemas.ABI, n int32) string { return fmt.Sprint(n) }}, held)
	r.create = func([]schemas.Site) (closer, error) { return capture, nil }
	r.keepPrivileges = true // what a test gives up the next one would lack
	res, err := r.Run()
	if err != nil {
		t.Fatal(err)
	}
	if capture.closed != 1 {
		t.Errorf("the capture was closed %d times", capture.closed)
	}
	return res, capture, r
}

func TestRecordCountsEveryCall(t *testing.T) {
	const each = 250_000
	res, capture, r := recordNative(t, syscallPlan(map[string]int32{"getppid": syscall.SYS_GETPPID}),
		Options{Targets: Targets{Command: true, Children: true}, BufferBytes: 16 << 20},
		[]string{"/proc/self/exe"}, callerVar+"="+strconv.Itoa(each))
	if res.Lost != 0 || res.Events != each*callerThreads || capture.rows[0] != each*callerThreads {
		t.Errorf("%d events, %d rows, %d lost; want %d, lost 0", res.Events, capture.rows[0], res.Lost, each*callerThreads)
	}
	status, err := r.WaitCommand()
	if err != nil || status.Code != 7 {
		t.Errorf("the command's status is %v, %v; want 7", status, err)
	}
	if m := capture.manifest; !m.Ended || m.EndReason != ReasonCommand || m.ExitStatus == nil || *m.ExitStatus != 7 || m.End <= m.Start {
		t.Errorf("manifest = %+v", m)
	}
}

func TestTinyBufferIsAccountedFor(t *testing.T) {
	const each = 250_000
	res, capture, _ := recordNative(t, syscallPlan(map[string]int32{"getppid": syscall.SYS_GETPPID}),
		Options{Targets: Targets{Command: true, Children: true}, BufferBytes: 1},
		[]string{"/proc/self/exe"}, callerVar+"="+strconv.Itoa(each))
	if res.Lost == 0 {
		t.Error("nothing was lost with a buffer of one page: the test shows nothing")
	}
	if res.Events+res.Lost != each*callerThreads {
		t.Errorf("seen %d + lost %d = %d, want %d", res.Events, res.Lost, res.Events+res.Lost, each*callerThreads)
	}
	var told uint64
	for _, l := range capture.losses {
		told += l.Count
	}
	if told != res.Lost || capture.rows[0] != res.Events {
		t.Errorf("losses add up to %d of %d, rows to %d of %d", told, res.Lost, capture.rows[0], res.Events)
	}
}

func TestRecordProcessAndItsChildren(t *testing.T) {
	needRoot(t)
	// The shell waits for a line, then runs the caller twice as its children.
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	sh := exec.Command("sh", "-c", "read line; "+self+"; "+self+"; exit 0")
	sh.Env = append(os.Environ(), callerVar+"=1000")
	in, err := sh.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := sh.Start(); err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(500*time.Millisecond, func() {
		if _, err := in.Write([]byte("go\n")); err != nil {
			t.Error(err)
		}
	})
	res, capture, _ := recordNative(t, syscallPlan(map[string]int32{"getppid": syscall.SYS_GETPPID}),
		Options{Targets: Targets{PIDs: []uint32{uint32(sh.Process.Pid)}, Children: true}, Duration: 3 * time.Second}, nil)
	if err := sh.Wait(); err != nil {
		t.Error(err)
	}
	if res.Reason != ReasonDuration || res.Events < 2*callerThreads*1000 || res.Lost != 0 {
		t.Errorf("result = %+v; want the calls of both children", res)
	}
	names := map[string]int{}
	for _, k := range capture.tasks {
		if len(k.Names) > 0 {
			names[k.Names[len(k.Names)-1].Comm]++
		}
		if k.Target && k.ParentPID == 0 {
			t.Errorf("a target without a parent: %+v", k)
		}
	}
	if names["sh"] == 0 || len(names) < 2 {
		t.Errorf("the tasks are called %v; want sh and its children among them", names)
	}
	blocked := false
	for _, b := range capture.blocked {
		blocked = blocked || !b.AtEnd && b.Syscall == strconv.Itoa(syscall.SYS_READ)
	}
	if !blocked {
		t.Errorf("the shell waited in read when the recording began; stored is %+v", capture.blocked)
	}
}

package record

import (
	"errors"
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

// ofThisKernel tries out once what the kernel can do.
var ofThisKernel = sync.OnceValues(attach.Features)

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
	features, err := ofThisKernel()
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
	capture := &closingCapture{fakeCapture: &fakeCapture{rows: map[schemas.SiteID]uint64{}, rowsOf: map[schemas.TaskID]int{}}}
	prepared := &Prepared{Plan: plan, Program: prog, syscallName: func(_ schemas.ABI, n int32) string { return fmt.Sprint(n) }}
	if opts.Targets.Cgroup != "" {
		if prepared.CgroupDir, prepared.CgroupPath, err = findCgroup(opts.Targets.Cgroup); err != nil {
			t.Fatal(err)
		}
	}
	r := New(opts, prepared, held)
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
	var once sync.Once
	goOn := func(Progress) { // the recording is under way
		once.Do(func() {
			if _, err := in.Write([]byte("go\n")); err != nil {
				t.Error(err)
			}
		})
	}
	res, capture, _ := recordNative(t, syscallPlan(map[string]int32{"getppid": syscall.SYS_GETPPID}),
		Options{Targets: Targets{PIDs: []uint32{uint32(sh.Process.Pid)}, Children: true}, Duration: 3 * time.Second, Progress: goOn}, nil)
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
	for _, b := range capture.blocked { // busybox' shell polls before it reads
		blocked = blocked || !b.AtEnd && (b.Syscall == strconv.Itoa(syscall.SYS_READ) || b.Syscall == strconv.Itoa(syscall.SYS_POLL))
	}
	if !blocked {
		t.Errorf("the shell waited for its input when the recording began; stored is %+v", capture.blocked)
	}
}

// tasksByID returns the last state of each task that was handed on.
func tasksByID(c *closingCapture) map[schemas.TaskID]schemas.Task {
	byID := map[schemas.TaskID]schemas.Task{}
	for _, k := range c.tasks {
		byID[k.ID] = k
	}
	return byID
}

func TestShortLivedProcessesHaveNamesAndParents(t *testing.T) {
	const processes = 100
	_, capture, r := recordNative(t, syscallPlan(map[string]int32{"execve": syscall.SYS_EXECVE, "openat": syscall.SYS_OPENAT}),
		Options{Targets: Targets{Command: true, Children: true}},
		[]string{"sh", "-c", fmt.Sprintf("i=0; while [ $i -lt %d ]; do /bin/ls / >/dev/null; i=$((i+1)); done; exit 0", processes)})
	if status, err := r.WaitCommand(); err != nil || status.Code != 0 {
		t.Fatalf("the command: %v, %v", status, err)
	}
	byID := tasksByID(capture)
	ls := 0
	for id, rows := range capture.rowsOf {
		k, ok := byID[id]
		if !ok || len(k.Names) == 0 || k.ParentPID == 0 || rows == 0 {
			t.Fatalf("%d rows are of task %d, which is %+v", rows, id, k)
		}
		last := k.Names[len(k.Names)-1]
		switch last.Comm {
		case "ls":
			ls++
			if k.ParentPID != r.command.held.PID || k.Exit == 0 || last.Exe != "/bin/ls" {
				t.Errorf("a child is %+v; want a child of %d, with its path and exit", k, r.command.held.PID)
			}
		case "sh":
		default:
			t.Errorf("a task is called %q", last.Comm)
		}
	}
	if ls != processes {
		t.Errorf("%d tasks are called ls, want %d", ls, processes)
	}
	// execve of the command itself, and of each child.
	execs := uint64(0)
	for id, n := range capture.rows {
		if r.prepared.Program.Sites[id].Site.Name == "execve" {
			execs = n
		}
	}
	if execs != processes+1 {
		t.Errorf("%d calls of execve, want %d: the command's own and one for each child", execs, processes+1)
	}
}

func TestWholeHostWithoutTheRecorder(t *testing.T) {
	res, capture, r := recordNative(t, syscallPlan(map[string]int32{"getppid": syscall.SYS_GETPPID, "epoll_pwait": syscall.SYS_EPOLL_PWAIT, "futex": syscall.SYS_FUTEX}),
		Options{Targets: Targets{All: true}}, []string{"/proc/self/exe"}, callerVar+"=1000")
	if res.Events < 1000*callerThreads || res.Lost != 0 {
		t.Errorf("%d events, %d lost; want the command's %d among them", res.Events, res.Lost, 1000*callerThreads)
	}
	self := uint32(os.Getpid())
	for id := range capture.rowsOf {
		if k := tasksByID(capture)[id]; k.PID == self {
			t.Errorf("the recorder recorded itself: %+v", k)
		}
	}
	if status, err := r.WaitCommand(); err != nil || status.Code != 7 {
		t.Errorf("the command: %v, %v", status, err)
	}
}

func TestDurationLeavesTheCommandRunning(t *testing.T) {
	res, capture, r := recordNative(t, syscallPlan(map[string]int32{"getppid": syscall.SYS_GETPPID}),
		Options{Targets: Targets{Command: true, Children: true}, Duration: 300 * time.Millisecond}, []string{"sleep", "4"})
	if res.Reason != ReasonDuration || r.CommandEnded() {
		t.Errorf("ended by %q, the command ended: %v", res.Reason, r.CommandEnded())
	}
	if capture.manifest.ExitStatus != nil {
		t.Error("an exit status is stored of a command that still runs")
	}
	if len(res.Blocked) != 1 || res.Events != 0 || res.WhyNone() == "" {
		t.Errorf("the command sleeps: %+v", res)
	}
	if status, err := r.WaitCommand(); err != nil || status.Code != 0 {
		t.Errorf("the command: %v, %v", status, err)
	}
}

func TestCommandThatCannotRun(t *testing.T) {
	needRoot(t)
	script := t.TempDir() + "/script"
	if err := os.WriteFile(script, []byte("no first line"), 0o755); err != nil {
		t.Fatal(err)
	}
	res, _, r := recordNative(t, syscallPlan(map[string]int32{"getppid": syscall.SYS_GETPPID}),
		Options{Targets: Targets{Command: true, Children: true}}, []string{script})
	if res.Reason != ReasonNoCommand {
		t.Errorf("ended by %q, want %q", res.Reason, ReasonNoCommand)
	}
	var refused *launch.CannotRunError
	if _, err := r.WaitCommand(); !errors.As(err, &refused) {
		t.Errorf("the command: %v", err)
	}
}

func TestRecordCgroup(t *testing.T) {
	mount, name := makeCgroup(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// The command enters the cgroup and runs the caller there; what it runs outside does not count.
	script := fmt.Sprintf("%s; echo $$ >%s/%s/cgroup.procs && %s; echo $$ >%s/cgroup.procs; exit 0", self, mount, name, self, mount)
	res, capture, r := recordNative(t, syscallPlan(map[string]int32{"getppid": syscall.SYS_GETPPID}),
		Options{Targets: Targets{Cgroup: name}}, []string{"sh", "-c", script}, callerVar+"=1000")
	if status, err := r.WaitCommand(); err != nil || status.Code != 0 {
		t.Fatalf("the command: %v, %v", status, err)
	}
	if res.Events != 1000*callerThreads || res.Lost != 0 {
		t.Errorf("%d events, %d lost; want %d: what was called in the cgroup", res.Events, res.Lost, 1000*callerThreads)
	}
	for id := range capture.rowsOf {
		if k := tasksByID(capture)[id]; k.Cgroup != "/"+name {
			t.Errorf("a task's cgroup is %q, want %q: %+v", k.Cgroup, "/"+name, k)
		}
	}
}

package attach

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cilium/ebpf/btf"

	"probetape/record/compile"
	"probetape/record/decode"
	"probetape/record/resolve"
	"probetape/schemas"
)

// rows are what a recording of a test saw, as one copied batch for each table.
type rows struct {
	tables  []schemas.Batch
	decoder *decode.Decoder
	counts  []Counts
	tasks   [][]byte

	lostSamples uint64
	session     *Session
}

// byTask resolves tasks to their thread ids, which is what the tests compare.
type byTask struct{}

func (byTask) Lookup(_, tid uint32, _ int64) schemas.TaskID { return schemas.TaskID(tid) }

// needRoot skips where no probe can be attached.
func needRoot(t testing.TB) compile.Features {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("attaching probes needs root")
	}
	f, err := ofThisKernel()
	if err != nil {
		t.Fatal(err)
	}
	return f
}

var ofThisKernel = sync.OnceValues(Features)

// kernelTypes are read once for all tests.
var kernelTypes = btf.NewCache()

// buildC returns the path of a program of testdata/programs: from PROBETAPE_PROGRAMS where they are built already, since a virtual machine has
// no compiler, else built now.
func buildC(t testing.TB, name string) string {
	t.Helper()
	if dir := os.Getenv("PROBETAPE_PROGRAMS"); dir != "" {
		return filepath.Join(dir, name)
	}
	out := filepath.Join(t.TempDir(), name)
	cmd := exec.Command("gcc", "-O1", "-static", "-pthread", "-o", out, filepath.Join("..", "..", "testdata", "programs", name+".c"))
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building the traced program: %v\n%s", err, text)
	}
	return out
}

// plan makes a plan of statements: it numbers tables and sites.
func plan(stmts ...resolve.Statement) *resolve.Plan {
	site := schemas.SiteID(0)
	for i := range stmts {
		s := &stmts[i]
		s.Table.ID, s.Table.Call, s.Line = schemas.TableID(i), s.Kind.Call(), i+1
		if s.Table.Name == "" {
			s.Table.Name = s.Kind.String()
		}
		for k := range s.Sites {
			s.Sites[k].ID, s.Sites[k].Table, s.Sites[k].Kind = site, s.Table.ID, s.Kind
			site++
		}
	}
	return &resolve.Plan{Statements: stmts}
}

func u64() resolve.Type { return resolve.Type{Kind: resolve.KindInt, Size: 8} }

func i64() resolve.Type { return resolve.Type{Kind: resolve.KindInt, Size: 8, Signed: true} }

func arg(n int64) *resolve.Expr { return &resolve.Expr{Op: resolve.OpArg, Int: n, Type: u64()} }

func ret() *resolve.Expr { return &resolve.Expr{Op: resolve.OpRet, Type: i64()} }

func userStr(x *resolve.Expr, most int) *resolve.Expr {
	return &resolve.Expr{Op: resolve.OpStr, X: x, Max: most, User: true, Type: resolve.Type{Kind: resolve.KindString, Max: most}}
}

func syscallSite(name string, number int32) resolve.Site {
	return resolve.Site{Site: schemas.Site{Name: name, ABI: schemas.ABIx8664, Number: number}, ArgCount: -1}
}

// recording runs a session around a function.
type recording struct {
	session *Session
	rows    *rows

	begun, ending func() // called when everything is attached, and before it is detached
}

func startRecording(t testing.TB, p *resolve.Plan, cfg compile.Config, opts Options) *recording {
	t.Helper()
	prog, err := compile.Compile(p, cfg)
	if err != nil {
		t.Fatal(err)
	}
	opts.Types = kernelTypes
	s, err := Open(prog, opts)
	if err != nil {
		var refused *VerifierError
		if errors.As(err, &refused) {
			t.Fatalf("%+v", refused)
		}
		t.Fatal(err)
	}
	r := &recording{session: s, rows: &rows{session: s, tables: make([]schemas.Batch, len(prog.Tables))}}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	for i := range prog.Tables {
		r.rows.tables[i].Reset(&prog.Tables[i])
	}
	sites := make([]schemas.Site, len(prog.Sites))
	for i := range sites {
		sites[i] = prog.Sites[i].Site
	}
	r.rows.decoder = decode.New(decode.Config{Tables: prog.Tables, Sites: sites, Tasks: byTask{}, Emit: r.rows.keep})
	if err := s.AttachTasks(); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *recording) attach(t testing.TB) {
	t.Helper()
	results, err := r.session.Attach()
	if err != nil {
		t.Fatal(err)
	}
	for _, res := range results {
		if res.Err != nil {
			t.Fatal(res.Err)
		}
	}
	if r.begun != nil {
		r.begun()
	}
}

func (r *recording) drain(t testing.TB) {
	t.Helper()
	if err := r.session.Tasks().Drain(0, func(_ int, sample []byte) error {
		r.rows.tasks = append(r.rows.tasks, append([]byte(nil), sample...))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := r.session.Events().Drain(0, r.rows.decoder.Sample); err != nil {
		t.Fatal(err)
	}
}

func (r *recording) stop(t testing.TB) *rows {
	t.Helper()
	if r.ending != nil {
		r.ending()
	}
	if err := r.session.Detach(); err != nil {
		t.Fatal(err)
	}
	if err := r.session.Flush(); err != nil {
		t.Fatal(err)
	}
	r.drain(t)
	counts, err := r.session.Counters()
	if err != nil {
		t.Fatal(err)
	}
	r.rows.counts = append([]Counts(nil), counts...)
	r.rows.lostSamples = r.session.Events().Lost()
	if err := r.session.Running(func(rec []byte) error { return r.rows.decoder.Record(0, rec) }); err != nil {
		t.Fatal(err)
	}
	if err := r.rows.decoder.Flush(); err != nil {
		t.Fatal(err)
	}
	return r.rows
}

// keep appends a copy of a batch.
func (r *rows) keep(b *schemas.Batch) error {
	out := &r.tables[b.Table.ID]
	out.Time = append(out.Time, b.Time...)
	out.Task = append(out.Task, b.Task...)
	out.Site = append(out.Site, b.Site...)
	out.Duration = append(out.Duration, b.Duration...)
	out.End = append(out.End, b.End...)
	out.Errno = append(out.Errno, b.Errno...)
	for i := range b.Columns {
		from, to := &b.Columns[i], &out.Columns[i]
		for row := range b.Len {
			if from.Null.Get(row) {
				to.Null = to.Null.Set(out.Len + row)
			}
			if from.Cut.Get(row) {
				to.Cut = to.Cut.Set(out.Len + row)
			}
			if from.Offs != nil {
				to.Data = append(to.Data, from.Bytes(row)...)
				if len(to.Offs) == 0 {
					to.Offs = append(to.Offs, 0)
				}
				to.Offs = append(to.Offs, uint32(len(to.Data)))
			}
		}
		to.Ints = append(to.Ints, from.Ints...)
	}
	out.Len += b.Len
	return nil
}

// record runs a command as the only target, from its execve on, draining while it runs.
func record(t *testing.T, p *resolve.Plan, opts Options, command ...string) *rows {
	t.Helper()
	return recordWith(t, startRecording(t, p, pidConfig(t), opts), command...)
}

// pidConfig is for processes as targets.
func pidConfig(t testing.TB) compile.Config {
	t.Helper()
	return compile.Config{Mode: compile.TargetPIDs, Children: true, SelfPID: uint32(os.Getpid()), Features: needRoot(t), CPUs: 2}
}

// recordWith is record with a session that is open already.
func recordWith(t *testing.T, r *recording, command ...string) *rows {
	t.Helper()
	// The shell waits for its line, so that it is armed before it runs the command. It says when its own start is over.
	cmd := exec.Command("/bin/sh", append([]string{"-c", `echo ready; read go; exec "$@"`, "sh"}, command...)...)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(stdout, make([]byte, len("ready\n"))); err != nil {
		t.Fatal(err)
	}
	if err := r.session.Arm(uint32(cmd.Process.Pid)); err != nil {
		t.Fatal(err)
	}
	r.attach(t)
	if _, err := in.Write([]byte("go\n")); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	for running := true; running; {
		select {
		case err := <-done:
			if err != nil {
				t.Fatalf("running %q: %v\n%s", command, err, out.String())
			}
			running = false
		case <-time.After(20 * time.Millisecond):
			if err := r.session.Flush(); err != nil {
				t.Fatal(err)
			}
			r.drain(t)
		}
	}
	return r.stop(t)
}

func TestSyscallCounts(t *testing.T) {
	needRoot(t)
	prog := buildC(t, "getppid_threads")
	p := plan(resolve.Statement{
		Kind: schemas.KindSyscall, Sites: []resolve.Site{syscallSite("getppid", 110), syscallSite("execve", 59)},
		Table:  schemas.Table{Fields: []schemas.Field{{Name: "ret", Type: schemas.TypeI64, AtExit: true}, {Name: "path", Type: schemas.TypeString, MaxLen: 200}}},
		Fields: []*resolve.Expr{ret(), userStr(arg(0), 200)},
	})
	for _, tc := range []struct {
		name string
		size int
		lose bool
	}{{"fits", 16 << 20, false}, {"far too small", 4096, true}} {
		t.Run(tc.name, func(t *testing.T) {
			got := record(t, p, Options{BufferBytes: tc.size}, prog, "200000")
			seen, attempted := got.decoder.Ledger(0), got.counts[0].Attempted
			if attempted != 200000 {
				t.Errorf("attempted %d getppid, want 200000", attempted)
			}
			if n := seen.Seen + seen.After; tc.lose == (n == attempted) || n > attempted {
				t.Errorf("seen %d of %d attempted; %d samples lost", n, attempted, got.lostSamples)
			}
			if e := got.counts[1].Attempted; e != 1 {
				t.Errorf("attempted %d execve, want 1", e)
			}
			if seen.Bad != 0 || got.decoder.Damaged() != 0 {
				t.Errorf("%d bad records, %d damaged", seen.Bad, got.decoder.Damaged())
			}
		})
	}
}

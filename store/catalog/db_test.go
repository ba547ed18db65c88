package catalog

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"probetape/schemas"
	"probetape/store/catalog/catalogtest"
)

// newDB makes a catalogue in a folder of its own; bbolt's check runs over it when the test ends.
func newDB(t testing.TB) (*DB, string) {
	t.Helper()
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	db, err := Create(root.OpenFile)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, FileName)
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
		if err := root.Close(); err != nil {
			t.Error(err)
		}
		catalogtest.Check(t, path)
	})
	return db, path
}

func openFile(t testing.TB, path string) *File {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return NewFile(f, func() (int64, error) {
		info, err := f.Stat()
		if err != nil {
			return 0, err
		}
		return info.Size(), nil
	})
}

// fileOf reads a catalogue from memory.
func fileOf(data []byte) *File {
	return NewFile(bytes.NewReader(data), func() (int64, error) { return int64(len(data)), nil })
}

// model is what a catalogue must hold.
type model struct {
	content Content
	tasks   map[schemas.TaskID]schemas.Task
	stacks  map[uint32]schemas.Stack
	symbols map[[2]uint64]schemas.Symbol
}

const modelSites = 100

// newModel describes a capture of a few tables.
func newModel() *model {
	m := &model{tasks: map[schemas.TaskID]schemas.Task{}, stacks: map[uint32]schemas.Stack{}, symbols: map[[2]uint64]schemas.Symbol{}}
	c := &m.content
	c.Major, c.Minor = schemas.FormatMajor, schemas.FormatMinor
	for i := range 4 {
		t := schemas.Table{ID: schemas.TableID(i), Name: fmt.Sprint("table", i), Source: "syscall:*", Call: i == 0}
		for n, typ := range []schemas.ColumnType{schemas.TypeU64, schemas.TypeString, schemas.TypeEnum} {
			t.Fields = append(t.Fields, schemas.Field{Name: fmt.Sprint("field", n), Type: typ, MaxLen: n * 10})
		}
		t.Fields[2].Enum = []schemas.EnumValue{{Value: -1, Name: "none"}, {Value: 7, Name: "seven"}}
		c.Tables = append(c.Tables, t)
	}
	for i := range modelSites {
		s := schemas.Site{ID: schemas.SiteID(i), Table: schemas.TableID(i % 4), Kind: schemas.KindKprobe, Name: fmt.Sprint("site", i), Address: 1 << 63}
		if s.Table == 0 {
			s.Kind = schemas.KindSyscall
		}
		c.Sites = append(c.Sites, s)
	}
	return m
}

// step makes random changes, to the model and to the encoder.
func (m *model) step(r *rand.Rand, e *Encoder) error {
	c := &m.content
	now := r.Int64N(1 << 60)
	c.Manifest = &schemas.Manifest{
		Major: schemas.FormatMajor, Minor: schemas.FormatMinor, ID: "0123456789abcdef", Start: 5, Flushed: now, FlushNS: 1e9,
		Command: []string{"probetape", "record"}, Targets: []string{"everything"}, Probes: "syscall:*",
		Host: schemas.Host{Name: "host", CPUs: 8}, Cost: schemas.Cost{UserNS: now, ProgramNS: -1},
	}
	var tasks []schemas.Task
	for range r.IntN(40) {
		id := schemas.TaskID(r.IntN(500))
		t := schemas.Task{
			ID: id, PID: r.Uint32(), TID: r.Uint32(), ParentPID: r.Uint32N(9), UID: r.Uint32(), Start: r.Int64N(1 << 60), Kernel: r.IntN(2) == 0,
			Target: r.IntN(2) == 0, Cgroup: []string{"", "/", "/system.slice"}[r.IntN(3)],
		}
		if r.IntN(2) == 0 {
			t.Exit = r.Int64N(1<<60) + 1
		}
		for range r.IntN(4) {
			t.Names = append(t.Names, schemas.TaskName{From: r.Int64N(1 << 60), Comm: fmt.Sprint("comm", r.IntN(20)), Exe: []string{"", "/bin/sh", string(make([]byte, 2000))}[r.IntN(3)]})
		}
		m.tasks[id] = t
		tasks = append(tasks, t)
	}
	var totals []schemas.SiteTotals
	if c.Totals == nil {
		c.Totals = make([]schemas.SiteTotals, modelSites)
	}
	for i := range modelSites {
		c.Totals[i] = schemas.SiteTotals{Site: schemas.SiteID(i), Attempted: r.Uint64N(1 << 61), Seen: r.Uint64N(1 << 40), Lost: uint64(r.IntN(3)), Missed: int64(r.IntN(3)) - 1, Unread: 1}
		totals = append(totals, c.Totals[i])
	}
	var losses []schemas.Loss
	for range r.IntN(10) {
		reasons := []schemas.LossReason{schemas.LossBuffer, schemas.LossDecode, schemas.LossStore, schemas.LossTail, schemas.LossKernelMissed, "of a later version"}
		losses = append(losses, schemas.Loss{From: now, To: now + 9, Site: schemas.SiteID(r.IntN(modelSites)), Count: r.Uint64(), Reason: reasons[r.IntN(len(reasons))]})
	}
	c.Losses = append(c.Losses, losses...)
	sample := schemas.ClockSample{Boot: now, Mono: now - now/2, Real: now * 2, Uncertainty: 30}
	c.Clock = append(c.Clock, sample)
	site := schemas.SiteID(r.IntN(modelSites))
	log := []schemas.LogEntry{{Time: now, Level: schemas.LogWarn, Text: "something", Site: &site}, {Time: now, Level: schemas.LogInfo, Text: "more"}}
	c.Log = append(c.Log, log...)
	blocked := []schemas.Blocked{{Time: now, Task: 4, State: "D", Syscall: "read", Args: []uint64{1 << 63}, Stack: []string{"a", "b"}, AtEnd: true}}
	c.Blocked = append(c.Blocked, blocked...)
	note := c.Sites[site]
	note.Note = fmt.Sprint("noted at ", now)
	c.Sites[site] = note
	stack := schemas.Stack{ID: r.Uint32N(1000), User: r.IntN(2) == 0, Task: schemas.TaskID(r.Uint32()), Frames: []uint64{1<<64 - 1, 0, 0xffffffff81000000, r.Uint64()}}
	m.stacks[stack.ID] = stack
	symbol := schemas.Symbol{Address: r.Uint64N(1000) << 50, PID: r.Uint32N(10), Name: "name", Offset: r.Uint64(), Module: "module", BuildID: "00ff"}
	m.symbols[[2]uint64{uint64(symbol.PID), symbol.Address}] = symbol
	var segments []schemas.Segment
	for i := range c.Segments {
		if g := &c.Segments[i]; r.IntN(3) == 0 {
			grow(r, g)
			segments = append(segments, *g)
		}
	}
	g := schemas.Segment{ID: uint64(len(c.Segments)), Table: schemas.TableID(r.IntN(4)), File: fmt.Sprintf("events/%d.arrows", len(c.Segments))}
	grow(r, &g)
	c.Segments = append(c.Segments, g)
	segments = append(segments, g)
	for i := range segments {
		if err := e.SetSegment(&segments[i]); err != nil {
			return err
		}
	}
	for _, err := range []error{
		e.SetManifest(c.Manifest), e.AddTasks(tasks), e.SetTotals(totals), e.AddLosses(losses), e.AddClock(sample), e.AddLog(log), e.AddBlocked(blocked),
		e.SetSites([]schemas.Site{note}), e.AddStacks([]schemas.Stack{stack}), e.AddSymbols([]schemas.Symbol{symbol}),
	} {
		if err != nil {
			return err
		}
	}
	return nil
}

// grow adds rows to a segment.
func grow(r *rand.Rand, g *schemas.Segment) {
	old := map[schemas.SiteID]schemas.SiteCount{}
	for _, c := range g.Sites {
		old[c.Site] = c
	}
	g.Sites, g.Rows = nil, 0
	for i := range modelSites {
		id := schemas.SiteID(i)
		if schemas.TableID(i%4) != g.Table {
			continue
		}
		c := old[id]
		if r.IntN(2) == 0 {
			c.Site = id
			c.Rows += 1 + r.Uint64N(1000)
			c.Errors += r.Uint64N(c.Rows - c.Errors + 1)
		}
		if c.Rows > 0 {
			g.Sites = append(g.Sites, c)
			g.Rows += c.Rows
		}
	}
	if g.Rows == 0 {
		return
	}
	g.Batches++
	g.Bytes += r.Uint64N(1 << 20)
	g.MinTime = r.Int64N(1 << 59)
	g.MaxTime = g.MinTime + r.Int64N(1<<40)
	g.MaxEnd = g.MaxTime + r.Int64N(1<<40)
	g.Running = r.Uint64N(g.Rows)
	g.Sealed = r.IntN(2) == 0
}

func begin(e *Encoder, m *model) error {
	for _, err := range []error{e.SetFormat(schemas.FormatMajor, schemas.FormatMinor), e.AddTables(m.content.Tables), e.SetSites(m.content.Sites)} {
		if err != nil {
			return err
		}
	}
	return nil
}

// compare holds a catalogue's file against the model.
func (m *model) compare(t testing.TB, f *File) {
	t.Helper()
	c, problems, err := f.Load()
	if err != nil || len(problems) > 0 {
		t.Fatalf("loading: %v, %v", err, problems)
	}
	if diff := cmp.Diff(&m.content, c, cmpopts.IgnoreFields(Content{}, "Txid"), cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("content differs:\n%s", diff)
	}
	m.compareLarge(t, f, 0)
}

// compareLarge holds what is large in a catalogue against the model. So many problems are expected.
func (m *model) compareLarge(t testing.TB, f *File, expected int) {
	t.Helper()
	tasks, problems, err := f.Tasks()
	if err != nil || len(problems) != expected || len(tasks) != len(m.tasks) {
		t.Fatalf("%d tasks, want %d: %v, %v", len(tasks), len(m.tasks), err, problems)
	}
	for i := range tasks {
		if i > 0 && tasks[i].ID <= tasks[i-1].ID {
			t.Fatalf("task %d follows %d", tasks[i].ID, tasks[i-1].ID)
		}
		if diff := cmp.Diff(m.tasks[tasks[i].ID], tasks[i], cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("task differs:\n%s", diff)
		}
	}
	stacks, problems, err := f.Stacks()
	if err != nil || len(problems) != expected || len(stacks) != len(m.stacks) {
		t.Fatalf("%d stacks, want %d: %v, %v", len(stacks), len(m.stacks), err, problems)
	}
	for i := range stacks {
		if diff := cmp.Diff(m.stacks[stacks[i].ID], stacks[i]); diff != "" {
			t.Fatalf("stack differs:\n%s", diff)
		}
	}
	symbols, problems, err := f.Symbols()
	if err != nil || len(problems) != expected || len(symbols) != len(m.symbols) {
		t.Fatalf("%d symbols, want %d: %v, %v", len(symbols), len(m.symbols), err, problems)
	}
	for _, y := range symbols {
		if diff := cmp.Diff(m.symbols[[2]uint64{uint64(y.PID), y.Address}], y); diff != "" {
			t.Fatalf("symbol differs:\n%s", diff)
		}
	}
}

// TestCommit reads back what was committed, after every commit and at the end.
func TestCommit(t *testing.T) {
	db, path := newDB(t)
	e, m := NewEncoder(0), newModel()
	if err := begin(e, m); err != nil {
		t.Fatal(err)
	}
	f := openFile(t, path)
	r := rand.New(rand.NewPCG(1, 1))
	var spare *Changes
	for i := range 40 {
		if err := m.step(r, e); err != nil {
			t.Fatal(err)
		}
		if i%5 == 0 {
			continue // two steps in one commit
		}
		changes := e.Take(spare)
		if err := db.Commit(changes); err != nil {
			t.Fatal(err)
		}
		spare = changes
		m.compare(t, f)
	}
	if db.Bytes() == 0 {
		t.Error("the catalogue has no size")
	}
}

// TestCommitTogether commits several changes at once: later ones are over earlier ones.
func TestCommitTogether(t *testing.T) {
	db, path := newDB(t)
	e, m := NewEncoder(0), newModel()
	if err := begin(e, m); err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(2, 1))
	var all []*Changes
	for range 5 {
		if err := m.step(r, e); err != nil {
			t.Fatal(err)
		}
		all = append(all, e.Take(nil))
	}
	if err := db.Commit(all...); err != nil {
		t.Fatal(err)
	}
	m.compare(t, openFile(t, path))
	if err := db.Commit(e.Take(nil)); err != nil {
		t.Errorf("committing nothing: %v", err)
	}
}

// TestSecondWriter holds that no two write one catalogue.
func TestSecondWriter(t *testing.T) {
	db, path := newDB(t)
	root, err := os.OpenRoot(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := root.Close(); err != nil {
			t.Error(err)
		}
	}()
	if _, err := Create(root.OpenFile); !errors.Is(err, fs.ErrExist) {
		t.Errorf("creating it again: %v", err)
	}
	// Even one that insists does not get the lock.
	var locked *LockedError
	_, err = Create(func(name string, flag int, perm os.FileMode) (*os.File, error) {
		return root.OpenFile(name, flag&^os.O_EXCL, perm)
	})
	if !errors.As(err, &locked) {
		t.Errorf("opening it for writing again: %v", err)
	}
	f, err := root.Open(FileName)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if inUse, err := InUse(f); err != nil || !inUse {
			t.Errorf("in use while it is written: %v, %v", inUse, err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if inUse, err := InUse(f); err != nil || inUse {
			t.Errorf("in use after it was closed: %v, %v", inUse, err)
		}
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
}

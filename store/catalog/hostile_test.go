package catalog

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"probetape/schemas"
)

// written makes a catalogue of a model, and returns its bytes.
func written(t testing.TB, seed uint64, steps int) ([]byte, *model) {
	t.Helper()
	db, path := newDB(t)
	e, m := NewEncoder(0), newModel()
	err := begin(e, m)
	r := rand.New(rand.NewPCG(seed, 1))
	for range steps {
		err = errors.Join(err, m.step(r, e), db.Commit(e.Take(nil)))
	}
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data, m
}

// readAll reads everything of a catalogue and holds it to the bounds.
func readAll(t testing.TB, f *File) {
	t.Helper()
	c, _, err := f.Load()
	if err == nil {
		checkContent(t, c)
	}
	tasks, _, _ := f.Tasks()
	for i := range tasks {
		if err := schemas.ValidateTask(&tasks[i]); err != nil {
			t.Error(err)
		}
		tasks[i].NameAt(1 << 40)
	}
	stacks, _, _ := f.Stacks()
	for i := range stacks {
		if err := schemas.ValidateStack(&stacks[i]); err != nil {
			t.Error(err)
		}
	}
	symbols, _, _ := f.Symbols()
	for i := range symbols {
		if err := schemas.ValidateSymbol(&symbols[i]); err != nil {
			t.Error(err)
		}
	}
}

func checkContent(t testing.TB, c *Content) {
	t.Helper()
	err := errors.Join(schemas.ValidateTables(c.Tables), schemas.ValidateSites(c.Sites, c.Tables))
	if c.Manifest != nil {
		err = errors.Join(err, schemas.ValidateManifest(c.Manifest))
	}
	for i := range c.Segments {
		err = errors.Join(err, schemas.ValidateSegment(&c.Segments[i], c.Tables, c.Sites))
	}
	for i := range c.Losses {
		err = errors.Join(err, schemas.ValidateLoss(&c.Losses[i], len(c.Sites)))
	}
	for i := range c.Totals {
		err = errors.Join(err, schemas.ValidateTotals(&c.Totals[i], len(c.Sites)))
	}
	for i := range c.Clock {
		err = errors.Join(err, schemas.ValidateClock(&c.Clock[i]))
	}
	for i := range c.Blocked {
		err = errors.Join(err, schemas.ValidateBlocked(&c.Blocked[i]))
	}
	for i := range c.Log {
		err = errors.Join(err, schemas.ValidateLog(&c.Log[i], len(c.Sites)))
	}
	if err != nil {
		t.Error(err)
	}
}

// values visits every value of a catalogue's tree, with its place in the file.
func values(data []byte, fn func(b bucket, key, value []byte, at int64)) error {
	p, err := ReadPages(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return err
	}
	for b := range bucketCount {
		sub, err := p.Root().Bucket(b.String())
		if err != nil || sub == nil {
			continue
		}
		err = sub.Walk(Visitor{
			Pair:   func(key, value []byte, at int64) error { fn(b, key, value, at); return nil },
			Damage: func(*PageError) error { return nil },
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// mendValues gives every value of a catalogue the checksum that it ought to have.
func mendValues(data []byte) error {
	return values(data, func(b bucket, key, value []byte, at int64) {
		if end := len(value) - 4; end >= 0 {
			binary.LittleEndian.PutUint32(data[at+int64(end):], valueSum(b, key, value[:end]))
		}
	})
}

// TestMutated reads catalogues with random changes, whose checksums are right again or not: 2,000, or as many as PROBETAPE_MUTATIONS says. Each must be
// read in no time, and what is read must be within the bounds.
func TestMutated(t *testing.T) {
	count := 2000
	if s := os.Getenv("PROBETAPE_MUTATIONS"); s != "" {
		var err error
		if count, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	whole, _ := written(t, 3, 8)
	var places []int64 // of values
	if err := values(whole, func(_ bucket, _, value []byte, at int64) {
		for i := range value {
			places = append(places, at+int64(i))
		}
	}); err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(9, 9))
	loaded, differ := 0, 0
	for i := range count {
		data := bytes.Clone(whole)
		switch r.IntN(4) {
		case 0: // anywhere
			for range 1 + r.IntN(8) {
				data[r.IntN(len(data))] ^= byte(1 << r.IntN(8))
			}
		case 1: // in values
			for range 1 + r.IntN(4) {
				data[places[r.IntN(len(places))]] = byte(r.Uint32())
			}
		case 2: // a page in the place of another
			from, to := r.IntN(len(data)/4096), r.IntN(len(data)/4096)
			copy(data[to*4096:], data[from*4096:][:4096])
		case 3: // lengths of elements
			page := 2 + r.IntN(len(data)/4096-2)
			at := page*4096 + pageHeader + elementSize*r.IntN(20) + 4*r.IntN(4)
			binary.LittleEndian.PutUint32(data[at:], uint32(1)<<r.IntN(32))
		}
		if i%2 == 0 {
			mendMeta(data)
			if err := mendValues(data); err != nil && !errors.Is(err, ErrNoMeta) {
				t.Fatal(err)
			}
		}
		began := time.Now()
		f := fileOf(data)
		readAll(t, f)
		// A second would be enough; the machine may be busy.
		if d := time.Since(began); d > 10*time.Second {
			t.Errorf("mutation %d took %v", i, d)
		}
		if c, problems, err := f.Load(); err == nil {
			loaded++
			if len(problems) > 0 || c.Txid == 0 {
				differ++
			}
		}
		if t.Failed() {
			t.Fatalf("at mutation %d", i)
		}
	}
	t.Logf("%d mutations: %d were loaded, %d of them with problems", count, loaded, differ)
	if loaded < count/4 || differ < count/20 {
		t.Error("the mutations show nothing")
	}
}

// TestSalvageNewest holds that of several values of a key, the newest is taken: the meta pages are lost, and the file holds older trees' leaves.
func TestSalvageNewest(t *testing.T) {
	data, m := written(t, 5, 40)
	clear(data[:2*4096])
	f := fileOf(data)
	c, problems, err := f.Load()
	if err != nil || len(problems) != 1 || c.Txid != 0 {
		t.Fatalf("%v, %v", problems, err)
	}
	if len(c.Segments) != len(m.content.Segments) || len(c.Losses) != len(m.content.Losses) {
		t.Errorf("%d segments of %d, %d losses of %d", len(c.Segments), len(m.content.Segments), len(c.Losses), len(m.content.Losses))
	}
	if c.Manifest.Flushed != m.content.Manifest.Flushed || !slices.Equal(c.Totals, m.content.Totals) {
		t.Error("the manifest or the totals are old")
	}
	m.compareLarge(t, f, 1)
}

// heldRows hands bodies over as a catalogue would.
type heldRows map[bucket][][2][]byte

func (h heldRows) each(b bucket, fn func(key, body []byte, offset int64) error) error {
	for _, pair := range h[b] {
		if err := fn(pair[0], pair[1], 0); err != nil {
			return err
		}
	}
	return nil
}

func (h heldRows) problem(Problem) error { return nil }

// FuzzBodies reads arbitrary bodies of all buckets, beside right ones of tables and sites.
func FuzzBodies(f *testing.F) {
	data, _ := written(f, 7, 2)
	right := heldRows{}
	if err := values(data, func(b bucket, key, value []byte, _ int64) {
		body, _, err := unframe(b, key, value)
		if err != nil {
			f.Fatal(err)
		}
		if b == bucketTables || b == bucketSites || b == bucketManifest {
			right[b] = append(right[b], [2][]byte{bytes.Clone(key), bytes.Clone(body)})
		}
		if len(body) < 300 {
			f.Add(uint8(b), bytes.Clone(key), bytes.Clone(body))
		}
	}); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, in uint8, key, body []byte) {
		b := bucket(in) % bucketCount
		h := heldRows{}
		for k, v := range right {
			h[k] = v
		}
		h[b] = append(slices.Clone(h[b]), [2][]byte{key, body})
		if c, err := load(h); err == nil {
			checkContent(t, c)
		}
		tasks, err := loadTasks(h)
		for i := range tasks {
			if bad := schemas.ValidateTask(&tasks[i]); err == nil && bad != nil {
				t.Error(bad)
			}
		}
		if _, err := loadStacks(h); err != nil {
			t.Error(err)
		}
		if _, err := loadSymbols(h); err != nil {
			t.Error(err)
		}
	})
}

// FuzzLoad reads arbitrary files, their checksums made right.
func FuzzLoad(f *testing.F) {
	data, _ := written(f, 8, 1)
	f.Add(data)
	f.Add(data[:len(data)/2])
	f.Fuzz(func(t *testing.T, data []byte) {
		mendMeta(data)
		if err := mendValues(data); err != nil && !errors.Is(err, ErrNoMeta) {
			var bad *PageError
			if !errors.As(err, &bad) {
				t.Fatal(err)
			}
		}
		readAll(t, fileOf(data))
	})
}

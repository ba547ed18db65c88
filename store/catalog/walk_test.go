package catalog

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"probetape/store/catalog/catalogtest"
)

// boltDump writes out a bbolt file through bbolt.
func boltDump(t testing.TB, path string) []string {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}()
	var lines []string
	var dump func(at string, b *bbolt.Bucket) error
	dump = func(at string, b *bbolt.Bucket) error {
		return b.ForEach(func(k, v []byte) error {
			if v == nil {
				lines = append(lines, fmt.Sprintf("%s/%q", at, k))
				return dump(fmt.Sprintf("%s/%q", at, k), b.Bucket(k))
			}
			lines = append(lines, fmt.Sprintf("%s/%q=%q", at, k, v))
			return nil
		})
	}
	err = db.View(func(tx *bbolt.Tx) error {
		return tx.ForEach(func(name []byte, b *bbolt.Bucket) error {
			lines = append(lines, fmt.Sprintf("/%q", name))
			return dump(fmt.Sprintf("/%q", name), b)
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

// pagesDump writes out a bbolt file through Pages, in the same form. left bounds the buckets that are gone into.
func pagesDump(b *Bucket, at string, left *int, lines *[]string) error {
	return b.Walk(Visitor{
		Pair: func(k, v []byte, _ int64) error {
			*lines = append(*lines, fmt.Sprintf("%s/%q=%q", at, k, v))
			return nil
		},
		Bucket: func(k []byte, sub *Bucket) error {
			if *left--; *left < 0 {
				return errors.New("too many buckets")
			}
			name := fmt.Sprintf("%s/%q", at, k)
			*lines = append(*lines, name)
			return pagesDump(sub, name, left, lines)
		},
	})
}

func readPages(t testing.TB, data []byte) *Pages {
	t.Helper()
	p, err := ReadPages(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// randomBolt writes a random bbolt file: buckets within buckets, inline and not, values of all sizes, replaced and deleted again.
func randomBolt(t testing.TB, r *rand.Rand, path string) {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{
		PageSize: 1024 << r.IntN(5), NoSync: true, NoFreelistSync: r.IntN(2) == 0,
		FreelistType: []bbolt.FreelistType{bbolt.FreelistArrayType, bbolt.FreelistMapType}[r.IntN(2)],
	})
	if err != nil {
		t.Fatal(err)
	}
	bytesOf := func(n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		return b
	}
	var fill func(b *bbolt.Bucket, depth int) error
	fill = func(b *bbolt.Bucket, depth int) error {
		for range r.IntN(60) {
			key := bytesOf(1 + r.IntN(20))
			switch what := r.IntN(20); {
			case what == 0 && depth < 3:
				sub, err := b.CreateBucketIfNotExists(key)
				if errors.Is(err, bolterrors.ErrIncompatibleValue) {
					continue // the key is a pair's
				}
				if err != nil {
					return err
				}
				if err := fill(sub, depth+1); err != nil {
					return err
				}
			case what == 1:
				if err := b.Put(key, bytesOf(r.IntN(30000))); err != nil && !errors.Is(err, bolterrors.ErrIncompatibleValue) {
					return err
				}
			case what < 5:
				if k, v := b.Cursor().Seek(key); k != nil && v != nil {
					if err := b.Delete(k); err != nil {
						return err
					}
				}
			default:
				if err := b.Put(key, bytesOf(r.IntN(100))); err != nil && !errors.Is(err, bolterrors.ErrIncompatibleValue) {
					return err
				}
			}
		}
		return nil
	}
	for range 1 + r.IntN(12) {
		err := db.Update(func(tx *bbolt.Tx) error {
			for i := range 1 + r.IntN(3) {
				b, err := tx.CreateBucketIfNotExists(fmt.Append(nil, "bucket", i))
				if err != nil {
					return err
				}
				b.FillPercent = []float64{0.1, 0.5, 1}[r.IntN(3)]
				if err := fill(b, 0); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestWalk holds the walker against bbolt on random files.
func TestWalk(t *testing.T) {
	pairs, inline := 0, 0
	for seed := range uint64(30) {
		path := filepath.Join(t.TempDir(), "random.db")
		randomBolt(t, rand.New(rand.NewPCG(seed, 1)), path)
		catalogtest.Check(t, path)
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		want := boltDump(t, path)
		var got []string
		left := 1 << 20
		if err := pagesDump(readPages(t, data).Root(), "", &left, &got); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("seed %d: bbolt and Pages differ:\n%s", seed, diff)
		}
		pairs += len(got)
		if err := readPages(t, data).Root().Walk(Visitor{Bucket: func(_ []byte, b *Bucket) error {
			return b.Walk(Visitor{Bucket: func(_ []byte, sub *Bucket) error {
				if sub.inline != nil {
					inline++
				}
				return nil
			}})
		}}); err != nil {
			t.Fatal(err)
		}
	}
	if pairs < 5000 || inline < 5 {
		t.Errorf("only %d pairs and %d inline buckets were compared", pairs, inline)
	}
}

// TestWalkLarge walks trees with several levels of branches.
func TestWalkLarge(t *testing.T) {
	path := filepath.Join(t.TempDir(), "large.db")
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{PageSize: 1024, NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	const n = 20000
	err = db.Update(func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucket([]byte("b"))
		for i := range uint64(n) {
			err = errors.Join(err, b.Put(key64(i*7), fmt.Append(nil, i)))
		}
		return err
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	catalogtest.Check(t, path)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b, err := readPages(t, data).Root().Bucket("b")
	if err != nil || b == nil {
		t.Fatalf("bucket b: %v, %v", b, err)
	}
	next := uint64(0)
	err = b.Walk(Visitor{Pair: func(k, v []byte, at int64) error {
		if binary.BigEndian.Uint64(k) != next*7 || string(v) != fmt.Sprint(next) || !bytes.Equal(data[at:at+int64(len(v))], v) {
			return fmt.Errorf("pair %d is %x=%q at %d", next, k, v, at)
		}
		next++
		return nil
	}})
	if err != nil || next != n {
		t.Fatalf("%d pairs, want %d: %v", next, n, err)
	}
	if b, err := readPages(t, data).Root().Bucket("c"); b != nil || err != nil {
		t.Errorf("a bucket that is not there: %v, %v", b, err)
	}
}

// TestNewestMeta damages the meta pages of a file in turn.
func TestNewestMeta(t *testing.T) {
	path := filepath.Join(t.TempDir(), "meta.db")
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{PageSize: 4096, NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		if err := db.Update(func(tx *bbolt.Tx) error {
			b, err := tx.CreateBucketIfNotExists([]byte("b"))
			if err != nil {
				return err
			}
			return b.Put([]byte("k"), fmt.Append(nil, i))
		}); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	newest := readPages(t, data).Txid()
	flip := func(at ...int) []byte {
		c := bytes.Clone(data)
		for _, i := range at {
			c[i] ^= 1
		}
		return c
	}
	for page := range 2 {
		for at := pageHeader; at < pageHeader+metaSize; at++ {
			p := readPages(t, flip(page*4096+at))
			want := newest
			if uint64(page) == newest%2 {
				want--
			}
			if p.Txid() != want || p.PageSize() != 4096 {
				t.Errorf("byte %d of meta page %d flipped: transaction %d of pages of %d bytes, want %d", at, page, p.Txid(), p.PageSize(), want)
			}
		}
	}
	for _, broken := range [][]byte{nil, data[:10], flip(pageHeader, 4096+pageHeader), bytes.Repeat([]byte("no database at all "), 1000)} {
		if _, err := ReadPages(bytes.NewReader(broken), int64(len(broken))); !errors.Is(err, ErrNoMeta) {
			t.Errorf("a file of %d bytes without meta pages: %v", len(broken), err)
		}
	}
}

// page returns page id of a file with pages of 4096 bytes.
func pageOf(data []byte, id uint64) []byte { return data[id*4096:][:4096] }

// TestWalkDamage makes pages wrong in every way that a walk looks for.
func TestWalkDamage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "damage.db")
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{PageSize: 4096, NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Update(func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucket([]byte("b"))
		for i := range uint64(400) {
			err = errors.Join(err, b.Put(key64(i), bytes.Repeat([]byte{byte(i)}, 50)))
		}
		return errors.Join(err, b.Put(key64(1000), make([]byte, 10000)))
	}); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	top, err := readPages(t, whole).Root().Bucket("b")
	if err != nil {
		t.Fatal(err)
	}
	branch := top.root
	le := binary.LittleEndian
	child := func(data []byte, i int) []byte { return pageOf(data, branch)[pageHeader+i*elementSize:] }
	leaf := func(data []byte, i int) []byte { return pageOf(data, le.Uint64(child(data, i)[8:])) }
	last := int(le.Uint16(pageOf(whole, branch)[10:])) - 1
	large := leaf(whole, last)
	if le.Uint32(large[12:]) == 0 {
		t.Fatal("the last leaf does not go on")
	}

	for _, test := range []struct {
		name  string
		spoil func(data []byte)
		cause string
		lost  int // pairs, at least
	}{
		{"itself as child", func(d []byte) { le.PutUint64(child(d, 1)[8:], branch) }, "in the tree twice", 20},
		{"the same child twice", func(d []byte) { le.PutUint64(child(d, 1)[8:], le.Uint64(child(d, 0)[8:])) }, "in the tree twice", 20},
		{"a meta page as child", func(d []byte) { le.PutUint64(child(d, 1)[8:], 1) }, "not among the file's", 20},
		{"a child beyond the file", func(d []byte) { le.PutUint64(child(d, 1)[8:], 1<<40) }, "not among the file's", 20},
		{"another page's number", func(d []byte) { leaf(d, 1)[0]++ }, "says that it is page", 20},
		{"an unknown kind", func(d []byte) { le.PutUint16(leaf(d, 1)[8:], 0x20) }, "neither branch nor leaf", 20},
		{"two kinds", func(d []byte) { le.PutUint16(leaf(d, 1)[8:], flagBranch|flagLeaf) }, "neither branch nor leaf", 20},
		{"a free list", func(d []byte) { le.PutUint16(leaf(d, 1)[8:], flagFreelist) }, "neither branch nor leaf", 20},
		{"more elements than fit", func(d []byte) { le.PutUint16(leaf(d, 1)[10:], 0xffff) }, "do not fit", 20},
		{"a branch of nothing", func(d []byte) { le.PutUint16(pageOf(d, branch)[10:], 0) }, "without children", 400},
		{"a branch's key outside", func(d []byte) { le.PutUint32(child(d, 0), 5000) }, "key of element 0 is not in the page", 400},
		{"a branch's key too long", func(d []byte) { le.PutUint32(child(d, 0)[4:], 1<<31) }, "key of element 0 is not in the page", 400},
		{"a leaf's unknown flags", func(d []byte) { le.PutUint32(leaf(d, 1)[pageHeader:], 8) }, "unknown flags", 20},
		{"an empty key", func(d []byte) { le.PutUint32(leaf(d, 1)[pageHeader+8:], 0) }, "key of 0 bytes", 20},
		{"a key too long", func(d []byte) { le.PutUint32(leaf(d, 1)[pageHeader+8:], 1<<16) }, "key of 65536 bytes", 20},
		{"a value outside", func(d []byte) { le.PutUint32(leaf(d, 1)[pageHeader+12:], 1<<31) }, "is not in the page", 20},
		{"a place outside", func(d []byte) { le.PutUint32(leaf(d, 1)[pageHeader+4:], 0xfffffff0) }, "is not in the page", 20},
		{"keys out of order", func(d []byte) { copy(leaf(d, 1)[pageHeader:], leaf(d, 1)[pageHeader+elementSize:][:elementSize]) }, "not above", 20},
		{"going on too far", func(d []byte) { le.PutUint32(leaf(d, last)[12:], 1<<31) }, "more than any has", 1},
		{"going on beyond the file", func(d []byte) { le.PutUint32(leaf(d, last)[12:], 500) }, "beyond the file", 1},
		{"going on in another page", func(d []byte) { le.PutUint32(leaf(d, 0)[12:], 2) }, "in the tree twice", 20},
		{"the root below itself", func(d []byte) {
			p := pageOf(d, readPages(t, d).meta.root)
			at := pageHeader + int(le.Uint32(p[pageHeader+4:])) + int(le.Uint32(p[pageHeader+8:]))
			le.PutUint64(p[at:], readPages(t, d).meta.root)
		}, "", 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			data := bytes.Clone(whole)
			test.spoil(data)
			p := readPages(t, data)
			b, err := p.Root().Bucket("b")
			if err != nil {
				t.Fatal(err)
			}
			var found []string
			pairs := 0
			if err := b.Walk(Visitor{
				Pair:   func(_, _ []byte, _ int64) error { pairs++; return nil },
				Damage: func(e *PageError) error { found = append(found, e.Error()); return nil },
			}); err != nil {
				t.Fatal(err)
			}
			if test.cause == "" {
				return // it must only end
			}
			if !strings.Contains(strings.Join(found, "\n"), test.cause) {
				t.Errorf("found %q, want %q", found, test.cause)
			}
			if pairs+test.lost > 401 {
				t.Errorf("%d pairs, at least %d were to be lost", pairs, test.lost)
			}
			var bad *PageError
			if err := b.Walk(Visitor{}); !errors.As(err, &bad) {
				t.Errorf("a walk that is not told of damage ended with %v", err)
			}
		})
	}
}

// FuzzPages reads arbitrary bytes as a bbolt file, its meta pages' checksums made right.
func FuzzPages(f *testing.F) {
	for seed := range uint64(4) {
		path := filepath.Join(f.TempDir(), "seed.db")
		db, err := bbolt.Open(path, 0o600, &bbolt.Options{PageSize: 1024, NoSync: true})
		if err != nil {
			f.Fatal(err)
		}
		r := rand.New(rand.NewPCG(seed, 2))
		if err := db.Update(func(tx *bbolt.Tx) error {
			b, err := tx.CreateBucket([]byte("b"))
			for range 30 << seed {
				err = errors.Join(err, b.Put(key32(r.Uint32()), make([]byte, r.IntN(100))))
			}
			sub, subErr := b.CreateBucket([]byte("sub"))
			return errors.Join(err, subErr, sub.Put([]byte("k"), []byte("v")))
		}); err != nil {
			f.Fatal(err)
		}
		if err := db.Close(); err != nil {
			f.Fatal(err)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		mendMeta(data)
		p, err := ReadPages(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			return
		}
		if moved, err := p.Moved(); moved || err != nil {
			t.Errorf("moved: %v, %v", moved, err)
		}
		var lines []string
		left := 50
		err = pagesDump(p.Root(), "", &left, &lines)
		var bad *PageError
		if err != nil && left >= 0 && !errors.As(err, &bad) {
			t.Errorf("the walk ended with %v", err)
		}
	})
}

// mendMeta gives both meta pages of a file the checksums they ought to have, as an attacker does.
func mendMeta(data []byte) {
	for _, at := range []int{0, 1024, 4096} {
		if len(data) < at+pageHeader+metaSize {
			return
		}
		b := data[at+pageHeader:]
		binary.LittleEndian.PutUint64(b[metaSummed:], metaSum(b[:metaSummed]))
	}
}

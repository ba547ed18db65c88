package segment

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"hash/fnv"
	"io"
	"io/fs"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"probetape/schemas"
)

// small is a segment that can be damaged in every place: four batches of a few rows, open or sealed.
func small(t *testing.T, sealed bool) (file []byte, table *schemas.Table, batches []piece) {
	table = everyTable(true)
	r := rand.New(rand.NewPCG(13, 14))
	var b schemas.Batch
	f := &memory{}
	var encoder *Encoder
	if sealed {
		var err error
		if encoder, err = NewEncoder(Zstd); err != nil {
			t.Fatal(err)
		}
	}
	w, err := NewWriter(f, testID, table, encoder)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{3, 65, 1, 9} {
		random(r, &b, table, n)
		if err := w.Append(&b); err != nil {
			t.Fatal(err)
		}
		batches = append(batches, pieceOf(&b))
	}
	if sealed {
		if err := w.Finish(); err != nil {
			t.Fatal(err)
		}
	}
	return f.b, table, batches
}

// A piece is a batch, for comparing.
type piece struct {
	rows   int
	digest uint64
}

func pieceOf(b *schemas.Batch) piece {
	h := fnv.New64a()
	put := func(b []byte) {
		h.Write(binary.LittleEndian.AppendUint32(nil, uint32(len(b))))
		h.Write(b)
	}
	put(bytesOf(b.Time))
	put(bytesOf(b.CPU))
	put(bytesOf(b.Task))
	put(bytesOf(b.Site))
	put(bytesOf(b.Duration))
	put(bytesOf(b.End))
	put(bytesOf(b.Errno))
	for i := range b.Columns {
		c := &b.Columns[i]
		put(bytesOf(c.Ints))
		put(bytesOf(c.Offs))
		put(c.Data)
		for i := range b.Len {
			if c.Null.Get(i) {
				put([]byte{byte(i), 0})
			}
			if c.Cut.Get(i) {
				put([]byte{byte(i), 1})
			}
		}
	}
	return piece{b.Len, h.Sum64()}
}

// readDamaged reads a segment that is damaged somewhere, and checks that each batch is there exactly as it was, or missing as a whole and told.
func readDamaged(t *testing.T, s *Scanner, file []byte, size int64, opt Options, batches []piece) (missing int) {
	t.Helper()
	r, err := Open(bytes.NewReader(file), size, opt)
	if err != nil {
		t.Fatal(err)
	}
	total, lost, next := uint64(0), uint64(0), 0
	damaged := 0
	for b, err := range s.Scan(context.Background(), r, allColumns(opt.Table)) {
		if corrupt, ok := errors.AsType[*CorruptError](err); ok {
			lost += corrupt.Rows
			damaged++
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		for next < len(batches) && batches[next] != pieceOf(b) {
			next++
			missing++
		}
		if next == len(batches) {
			t.Fatal("a batch that nobody wrote, or out of order")
		}
		next++
		total += uint64(b.Len)
	}
	missing += len(batches) - next
	if total+lost != opt.Rows {
		t.Fatalf("%d rows and %d lost of %d", total, lost, opt.Rows)
	}
	if missing > 0 && damaged == 0 {
		t.Fatal("damage that nobody was told of")
	}
	return missing
}

func countRows(batches []piece) (n uint64) {
	for _, b := range batches {
		n += uint64(b.rows)
	}
	return n
}

// ends are where the messages of a segment end, the schema's first.
func ends(t *testing.T, file []byte) (ends []int) {
	t.Helper()
	r := opened(t, file, Options{})
	ends = append(ends, int(r.start))
	for e, err := range r.Entries(context.Background()) {
		if err != nil {
			t.Fatal(err)
		}
		ends = append(ends, int(e.Offset+e.Length))
	}
	return ends
}

// TestTruncation cuts a segment off at every byte, as a crash or a bad copy does: whole batches are read, and the rest is told. The size that
// the reader is told is the file's, or still what the catalogue says.
func TestTruncation(t *testing.T) {
	var s Scanner
	for _, sealed := range []bool{false, true} {
		file, table, batches := small(t, sealed)
		opt := Options{ID: testID, Table: table, Rows: countRows(batches), Sealed: sealed}
		ends := ends(t, file)
		for n := range len(file) {
			want := len(batches)
			for i, end := range ends[1:] {
				if n < end {
					want = i
					break
				}
			}
			for _, size := range []int{n, len(file)} {
				if missing := readDamaged(t, &s, file[:n], int64(size), opt, batches); missing != len(batches)-want {
					t.Fatalf("cut at %d, size %d: %d batches are missing, want %d", n, size, missing, len(batches)-want)
				}
			}
			if n < ends[0] {
				if _, err := Open(bytes.NewReader(file[:n]), int64(n), Options{}); err == nil {
					t.Fatalf("cut at %d: opened", n)
				}
			}
		}
	}
}

// TestBitFlips turns a bit of every byte of a segment: at most one batch is missing, and it is told.
func TestBitFlips(t *testing.T) {
	var s Scanner
	for _, sealed := range []bool{false, true} {
		file, table, batches := small(t, sealed)
		opt := Options{ID: testID, Table: table, Rows: countRows(batches), Sealed: sealed}
		for i := range file {
			bit := byte(1) << (i * 5 % 8)
			file[i] ^= bit
			if missing := readDamaged(t, &s, file, int64(len(file)), opt, batches); missing > 1 {
				t.Fatalf("byte %d: %d batches are missing", i, missing)
			}
			file[i] ^= bit
		}
	}
}

// TestHoles overwrites stretches of a segment, as lost blocks do: what is whole outside them is read.
func TestHoles(t *testing.T) {
	file, table, batches := small(t, false)
	opt := Options{ID: testID, Table: table, Rows: countRows(batches)}
	ends := ends(t, file)
	var s Scanner
	r := rand.New(rand.NewPCG(15, 16))
	for range 3000 {
		from := r.IntN(len(file))
		to := min(len(file), from+1+r.IntN(3000))
		bad := slices.Clone(file)
		for i := from; i < to; i++ {
			bad[i] = byte(r.Uint32() * (r.Uint32() & 1))
		}
		hit := 0
		for i := range batches {
			if from < ends[i+1] && to > ends[i] && !bytes.Equal(bad[ends[i]:ends[i+1]], file[ends[i]:ends[i+1]]) {
				hit++
			}
		}
		if missing := readDamaged(t, &s, bad, int64(len(bad)), opt, batches); missing != hit {
			t.Fatalf("overwritten from %d to %d: %d batches are missing, want %d", from, to, missing, hit)
		}
	}
}

// TestBuriedMessages has whole messages as values: those of the same file elsewhere are never taken for the file's own.
func TestBuriedMessages(t *testing.T) {
	table := &schemas.Table{Name: "texts", Fields: []schemas.Field{{Name: "text", Type: schemas.TypeBytes, MaxLen: 4096}}}
	build := func(texts ...[]byte) ([]byte, []piece) {
		f := &memory{}
		w, err := NewWriter(f, testID, table, nil)
		if err != nil {
			t.Fatal(err)
		}
		var rows []piece
		for i, text := range texts {
			b := schemas.Batch{Table: table, Len: 1, Time: []int64{int64(i)}, CPU: []uint16{0}, Task: []schemas.TaskID{0}, Site: []schemas.SiteID{0},
				Columns: []schemas.Column{{Offs: []uint32{0, uint32(len(text))}, Data: text}}}
			if err := w.Append(&b); err != nil {
				t.Fatal(err)
			}
			rows = append(rows, pieceOf(&b))
		}
		return f.b, rows
	}
	inner, _ := build([]byte("a"), []byte("b"))
	start := ends(t, inner)
	noise := make([]byte, 512) // keeps the text from being compressed
	r := rand.New(rand.NewPCG(17, 18))
	for i := range noise {
		noise[i] = byte(r.Uint32())
	}
	var s Scanner
	for shift := range 8 {
		text := append(slices.Clone(noise[:shift]), inner[start[0]:]...)
		file, rows := build(append(text, noise...), []byte("c"))
		at := ends(t, file)
		file[at[0]+4] ^= 8 // the first batch's message is lost: the search goes through its columns
		opt := Options{ID: testID, Table: table, Rows: 2}
		if missing := readDamaged(t, &s, file, int64(len(file)), opt, rows); missing != 1 {
			t.Fatalf("%d batches are missing", missing)
		}
	}
}

// TestRecovery reads beyond what the catalogue has committed.
func TestRecovery(t *testing.T) {
	file, table, batches := small(t, false)
	at := ends(t, file)
	all := whole(t, opened(t, file, Options{}), allColumns(table))
	sameRows(t, whole(t, opened(t, file[:at[2]], Options{}), allColumns(table)), all[:batches[0].rows+batches[1].rows])

	torn := append(slices.Clone(file), file[at[0]:at[1]-5]...)
	s, damage, err := opened(t, torn, Options{File: "events/a.arrows"}).Summarize(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if s.Rows != countRows(batches) || s.Bytes != uint64(len(file)) || s.Sealed {
		t.Errorf("%+v", s)
	}
	want := []schemas.Damage{{File: "events/a.arrows", Segment: 7, Offset: int64(len(file)), Length: int64(len(torn) - len(file)), Cause: errEntry.Error()}}
	if diff := cmp.Diff(want, damage); diff != "" {
		t.Error(diff)
	}
}

// TestManyBeginnings is a segment full of what looks like messages: the search through it ends soon.
func TestManyBeginnings(t *testing.T) {
	file, table, batches := small(t, false)
	for range 1 << 20 {
		file = binary.LittleEndian.AppendUint32(file, continuation)
		file = binary.LittleEndian.AppendUint32(file, 1<<19)
	}
	file = append(file, make([]byte, 1<<20)...)
	r := opened(t, file, Options{Table: table})
	rows, damage := scanned(t, r, allColumns(table))
	if len(rows) != int(countRows(batches)) || len(damage) != 1 {
		t.Errorf("%d rows, %d damages", len(rows), len(damage))
	}
}

// TestUnreadable has a device that fails in places, and one that is closed.
func TestUnreadable(t *testing.T) {
	file, table, batches := small(t, false)
	at := ends(t, file)
	opt := Options{ID: testID, Table: table, Rows: countRows(batches)}
	failing := &failingReader{b: file, from: at[1] + 10, to: at[1] + 20, err: errors.New("input/output error")}
	r, err := Open(failing, int64(len(file)), opt)
	if err != nil {
		t.Fatal(err)
	}
	rows, damage := scanned(t, r, allColumns(table))
	if len(rows)+int(damage[0].Rows) != int(opt.Rows) || len(damage) != 1 || !errors.Is(damage[0], failing.err) {
		t.Errorf("%d rows, %v", len(rows), damage)
	}
	failing.err = fs.ErrClosed
	var s Scanner
	n := 0
	for _, err := range s.Scan(context.Background(), r, allColumns(table)) {
		if n++; n > len(batches) {
			t.Fatal("it goes on")
		}
		if err != nil && !errors.Is(err, fs.ErrClosed) {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for b, err := range s.Scan(ctx, r, allColumns(table)) {
		if b != nil || !errors.Is(err, context.Canceled) {
			t.Fatal(b, err)
		}
	}
}

type failingReader struct {
	b        []byte
	from, to int
	err      error
}

func (f *failingReader) ReadAt(p []byte, off int64) (int, error) {
	if int(off) < f.to && int(off)+len(p) > f.from {
		return 0, f.err
	}
	return io.ReaderAt(bytes.NewReader(f.b)).ReadAt(p, off)
}

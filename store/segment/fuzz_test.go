package segment

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"runtime/metrics"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pierrec/lz4/v4"

	"probetape/schemas"
)

// Fuzzing: whatever the bytes are, reading ends with rows or errors, and in bounded memory.

// allocated is how many bytes have been allocated so far.
func allocated() uint64 {
	s := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}

// FuzzSegment reads a whole file. Repaired, changes reach what lies behind the checksums.
func FuzzSegment(f *testing.F) {
	table := callTable()
	var b schemas.Batch
	for _, codec := range []Codec{LZ4, Zstd} {
		encoder, err := NewEncoder(codec)
		if err != nil {
			f.Fatal(err)
		}
		m := &memory{}
		w, err := NewWriter(m, testID, table, encoder)
		if err != nil {
			f.Fatal(err)
		}
		for _, n := range []int{20, 3} {
			random(rand.New(rand.NewPCG(21, 22)), &b, table, n)
			if err := w.Append(&b); err != nil {
				f.Fatal(err)
			}
		}
		if err := w.Finish(); err != nil {
			f.Fatal(err)
		}
		f.Add(m.b, true)
		f.Add(m.b, false)
	}
	f.Fuzz(func(t *testing.T, file []byte, repaired bool) {
		if repaired {
			file = repair(bytes.Clone(file))
		}
		before := allocated()
		for _, opt := range []Options{{}, {ID: testID, Table: table, Sites: 300, Rows: 23, Sealed: true}} {
			r, err := Open(bytes.NewReader(file), int64(len(file)), opt)
			if err != nil {
				continue
			}
			readEverything(t, r)
		}
		if n := allocated() - before; n > 8*MaxBatchBytes {
			t.Errorf("%d MiB allocated", n>>20)
		}
	})
}

// readEverything scans and verifies a segment, and uses every value that it yields.
func readEverything(t *testing.T, r *Reader) {
	var s Scanner
	for b, err := range s.Scan(context.Background(), r, allColumns(r.Table())) {
		if err != nil {
			if _, ok := errors.AsType[*CorruptError](err); !ok {
				t.Fatal(err)
			}
			continue
		}
		if rows := rowsOf(b); len(rows) != b.Len {
			t.Fatal("rows")
		}
	}
	if _, _, err := s.Verify(context.Background(), r); err != nil {
		t.Fatal(err)
	}
	if _, _, err := r.Summarize(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// FuzzMetadata parses a record batch's metadata: a flatbuffer, and the entry in it.
func FuzzMetadata(f *testing.F) {
	table := callTable()
	l, err := newLayout(table)
	if err != nil {
		f.Fatal(err)
	}
	var b schemas.Batch
	random(rand.New(rand.NewPCG(23, 24)), &b, table, 20)
	encoder, err := NewEncoder(LZ4)
	if err != nil {
		f.Fatal(err)
	}
	head, _, err := encoder.encode(l, testID.seed(), &b, 0, 20, 0, 0)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(head[prefixSize:], int64(0))
	f.Fuzz(func(t *testing.T, metadata []byte, offset int64) {
		e := Entry{Offset: offset}
		if e.parse(l, metadata, 0) != nil {
			return
		}
		if e.Rows < 1 || e.Rows > MaxRows || len(e.buffers) != l.buffers || len(e.sums) != l.buffers || len(e.nulls) != len(l.columns) || len(e.Sites) == 0 {
			t.Errorf("%+v", e)
		}
		again := Entry{Offset: offset, Rows: e.Rows, buffers: e.buffers, packed: appendEntry(nil, &e)}
		if err := again.unpack(0); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(e.Sites, again.Sites); diff != "" || e.MaxEnd != again.MaxEnd || e.FirstRow != again.FirstRow {
			t.Error(diff)
		}
	})
}

// FuzzBuffer decompresses a buffer into memory of some length.
func FuzzBuffer(f *testing.F) {
	for _, codec := range []Codec{LZ4, Zstd} {
		c, err := newCompressor(codec)
		if err != nil {
			f.Fatal(err)
		}
		for _, n := range []int{1, 100, lz4Block + 100} {
			plain := bytes.Repeat([]byte{1, 2, 3, 4, 5, 0, 0, 0}, n)[:n]
			stored, err := c.append(nil, plain, texts)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(stored[lengthSize:], uint32(n), codec == Zstd)
		}
	}
	f.Fuzz(func(t *testing.T, frame []byte, n uint32, isZstd bool) {
		codec := LZ4
		if isZstd {
			codec = Zstd
		}
		n %= 1 << 20
		before := allocated()
		dst := make([]byte, int(n)+8)
		copy(dst[n:], "sentinel")
		var d decompressor
		if err := d.into(dst[:n], storedAs(int64(n), frame), codec); err != nil && !errors.Is(err, errFrame) {
			t.Error(err)
		}
		if string(dst[n:]) != "sentinel" {
			t.Error("written behind the end")
		}
		if used := allocated() - before; used > 16<<20 {
			t.Errorf("%d MiB allocated", used>>20)
		}
	})
}

// FuzzCompress compresses any bytes in every way, and gets them back, from the library's own LZ4 reader too.
func FuzzCompress(f *testing.F) {
	f.Add([]byte("hello hello hello hello"), uint8(3))
	f.Add(bytes.Repeat([]byte{0}, 7000), uint8(11))
	f.Add(bytes.Repeat([]byte{1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0}, 100), uint8(1))
	ofLZ4, err := newCompressor(LZ4)
	if err != nil {
		f.Fatal(err)
	}
	ofZstd, err := newCompressor(Zstd)
	if err != nil {
		f.Fatal(err)
	}
	var d decompressor
	f.Fuzz(func(t *testing.T, plain []byte, times uint8) {
		plain = bytes.Repeat(plain, int(times%16))
		for _, c := range []*compressor{ofLZ4, ofZstd} {
			for _, holds := range []content{texts, numeric} {
				stored, err := c.append(nil, plain, holds)
				if err != nil {
					t.Fatal(err)
				}
				dst := make([]byte, len(plain))
				if err := d.into(dst, stored, c.codec); err != nil || !bytes.Equal(dst, plain) {
					t.Fatal("not the same bytes", err)
				}
				if len(stored) > len(plain)+lengthSize {
					t.Errorf("%d bytes became %d", len(plain), len(stored))
				}
				if c.codec == LZ4 && string(stored[:lengthSize]) != "\xff\xff\xff\xff\xff\xff\xff\xff" {
					got, err := io.ReadAll(lz4.NewReader(bytes.NewReader(stored[lengthSize:])))
					if err != nil || !bytes.Equal(got, plain) {
						t.Fatal("not the same bytes to the library", err)
					}
				}
			}
		}
	})
}

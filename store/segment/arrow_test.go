package segment

import (
	"bytes"
	cmp2 "cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/ipc"
	"github.com/google/go-cmp/cmp"

	"probetape/schemas"
)

// Arrow's own reader is the witness of what the files hold: segments that are open, finished and sealed, cut off as by a crash or not.

// arrowRows reads a segment's rows with Arrow's reader.
func arrowRows(t *testing.T, file []byte, table *schemas.Table) []row {
	t.Helper()
	r, err := ipc.NewReader(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Release()
	checkSchema(t, r.Schema(), table)
	var rows []row
	for r.Next() {
		record := r.Record()
		for i := range int(record.NumRows()) {
			rows = append(rows, arrowRow(t, record, table, i))
		}
	}
	if r.Err() != nil {
		t.Fatal(r.Err())
	}
	return rows
}

// checkSchema holds the Arrow schema to be what docs/format-segment.md says.
func checkSchema(t *testing.T, s *arrow.Schema, table *schemas.Table) {
	t.Helper()
	var got []string
	for _, f := range s.Fields() {
		text := fmt.Sprintf("%s %v", f.Name, f.Type)
		if f.Nullable {
			text += " null"
		}
		got = append(got, text)
	}
	want := []string{"time int64", "cpu uint16", "task uint32", "site uint32"}
	if table.Call {
		want = append(want, "duration int64", "end uint8", "errno uint16")
	}
	if table.Name == "every" {
		want = append(want, "bool bool null", "i8 int8 null", "i16 int16 null", "i32 int32 null", "i64 int64 null",
			"u8 uint8 null", "u16 uint16 null", "u32 uint32 null", "u64 uint64 null",
			"string binary null", "string_cut bool", "bytes binary null", "bytes_cut bool", "stack uint32 null", "enum int64 null",
			"time_ uint64 null", "string_cut_ binary null", "string_cut__cut bool", "string_cut__ int8 null")
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
	if v, _ := s.Metadata().GetValue("probetape.format"); v != "1.0" {
		t.Errorf("format %q", v)
	}
	if v, _ := s.Metadata().GetValue("probetape.segment"); v != "c0ffee/7" {
		t.Errorf("segment %q", v)
	}
	if v, _ := s.Metadata().GetValue("probetape.table"); v == "" {
		t.Error("no table")
	}
}

func arrowRow(t *testing.T, record arrow.Record, table *schemas.Table, i int) row {
	t.Helper()
	r := row{
		time: record.Column(0).(*array.Int64).Value(i),
		cpu:  record.Column(1).(*array.Uint16).Value(i),
		task: schemas.TaskID(record.Column(2).(*array.Uint32).Value(i)),
		site: schemas.SiteID(record.Column(3).(*array.Uint32).Value(i)),
	}
	next := 4
	if table.Call {
		r.duration = record.Column(4).(*array.Int64).Value(i)
		r.end = schemas.End(record.Column(5).(*array.Uint8).Value(i))
		r.errno = record.Column(6).(*array.Uint16).Value(i)
		next = 7
	}
	for _, f := range table.Fields {
		c := record.Column(next)
		next++
		text := ""
		if c.IsNull(i) {
			text = "null"
		} else {
			text = arrowValue(t, c, i)
		}
		if f.Type.Text() {
			if record.Column(next).(*array.Boolean).Value(i) {
				text += "..."
			}
			next++
		}
		r.values += text + "|"
	}
	if next != int(record.NumCols()) {
		t.Fatalf("%d columns, want %d", record.NumCols(), next)
	}
	return r
}

func arrowValue(t *testing.T, c arrow.Array, i int) string {
	t.Helper()
	switch c := c.(type) {
	case *array.Boolean:
		if c.Value(i) {
			return "1"
		}
		return "0"
	case *array.Int8:
		return strconv.Itoa(int(c.Value(i)))
	case *array.Int16:
		return strconv.Itoa(int(c.Value(i)))
	case *array.Int32:
		return strconv.Itoa(int(c.Value(i)))
	case *array.Int64:
		return strconv.FormatInt(c.Value(i), 10)
	case *array.Uint8:
		return strconv.Itoa(int(c.Value(i)))
	case *array.Uint16:
		return strconv.Itoa(int(c.Value(i)))
	case *array.Uint32:
		return strconv.Itoa(int(c.Value(i)))
	case *array.Uint64:
		return strconv.FormatInt(int64(c.Value(i)), 10)
	case *array.Binary:
		return fmt.Sprintf("%x", c.Value(i))
	}
	t.Fatalf("a column of %v", c.DataType())
	return ""
}

var testID = Identity{Capture: "c0ffee", Segment: 7}

// written is a segment of batches of random rows, and the rows.
func written(t *testing.T, r *rand.Rand, table *schemas.Table, sizes ...int) (*memory, *Writer, []row) {
	t.Helper()
	f := &memory{}
	w, err := NewWriter(f, testID, table, nil)
	if err != nil {
		t.Fatal(err)
	}
	var b schemas.Batch
	var rows []row
	for _, n := range sizes {
		random(r, &b, table, n)
		if err := w.Append(&b); err != nil {
			t.Fatal(err)
		}
		rows = append(rows, rowsOf(&b)...)
	}
	return f, w, rows
}

func sameRows(t *testing.T, got, want []row) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d rows, want %d", len(got), len(want))
	}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("row %d: %v, want %v", i, got[i], want[i])
		}
	}
}

func TestArrowReadsOpenSegment(t *testing.T) {
	for _, call := range []bool{false, true} {
		table := everyTable(call)
		f, w, rows := written(t, rand.New(rand.NewPCG(3, 4)), table, 1, 7, 0, 8, 63, 64, 65, 1000, 5000, 2)
		sameRows(t, arrowRows(t, f.b, table), rows)

		// A crash in the middle of the next batch: what is whole is read up to the last flush.
		sameRows(t, arrowRows(t, f.b[:w.Bytes()], table), rows)

		if err := w.Finish(); err != nil {
			t.Fatal(err)
		}
		if !f.closed || f.synced == 0 || int64(len(f.b)) != w.Bytes() {
			t.Errorf("closed %v, synced %d, %d bytes of %d", f.closed, f.synced, len(f.b), w.Bytes())
		}
		sameRows(t, arrowRows(t, f.b, table), rows)
	}
}

func TestArrowReadsEmptySegment(t *testing.T) {
	table := everyTable(true)
	f, w, _ := written(t, rand.New(rand.NewPCG(3, 4)), table)
	sameRows(t, arrowRows(t, f.b, table), nil)
	if err := w.Finish(); err != nil {
		t.Fatal(err)
	}
	sameRows(t, arrowRows(t, f.b, table), nil)
}

func TestArrowReadsLargeBatch(t *testing.T) {
	table := everyTable(true)
	f, w, rows := written(t, rand.New(rand.NewPCG(3, 4)), table, MaxRows)
	if w.Segment().Batches != 1 {
		t.Errorf("%d batches", w.Segment().Batches)
	}
	sameRows(t, arrowRows(t, f.b, table), rows)

	f, w, rows = written(t, rand.New(rand.NewPCG(3, 4)), table, MaxRows+65)
	if w.Segment().Batches != 2 {
		t.Errorf("%d batches", w.Segment().Batches)
	}
	sameRows(t, arrowRows(t, f.b, table), rows)
}

func TestArrowReadsSealedSegment(t *testing.T) {
	for _, call := range []bool{false, true} {
		table := everyTable(call)
		f, w, rows := written(t, rand.New(rand.NewPCG(5, 6)), table, 1, 7, 64, 65, 1000, 40000, 30000, 2)
		sealed := &memory{}
		s, err := NewSealer()
		if err != nil {
			t.Fatal(err)
		}
		r := opened(t, f.b, Options{})
		facts, err := s.Seal(context.Background(), sealed, testID, []*Reader{r}, nil)
		if err != nil {
			t.Fatal(err)
		}
		want := w.Segment()
		want.Sealed, want.Bytes, want.Batches = true, uint64(len(sealed.b)), 2
		if diff := cmp.Diff(want, facts); diff != "" {
			t.Error(diff)
		}
		got := arrowRows(t, sealed.b, table)
		for from := 0; from < len(rows); from += MaxRows {
			to := min(from+MaxRows, len(rows))
			sortRows(rows[from:to])
		}
		sameRows(t, got, rows)
	}
}

func opened(t *testing.T, file []byte, opt Options) *Reader {
	t.Helper()
	r, err := Open(bytes.NewReader(file), int64(len(file)), opt)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func sortRows(rows []row) {
	slices.SortStableFunc(rows, func(a, b row) int { return cmp2.Compare(a.time, b.time) })
}

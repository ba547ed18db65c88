package segment

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash/crc32"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"probetape/schemas"
)

// A forgery is a segment of one batch, whose every part can be changed before it gets right checksums.
type forgery struct {
	table    *schemas.Table
	codec    Codec
	rows     int
	nulls    []int
	stored   [][]byte // Arrow's buffers, with their lengths before them
	entry    Entry
	trailing []byte // behind the entry
	extents  func([]extent)
	body     int64 // added to the body's length
	offset   int64 // added to the message's place in the entry
}

func forge(t *testing.T, table *schemas.Table, rows int, edit func(*forgery)) []byte {
	t.Helper()
	var b schemas.Batch
	random(rand.New(rand.NewPCG(19, 20)), &b, table, rows)
	e, err := NewEncoder(LZ4)
	if err != nil {
		t.Fatal(err)
	}
	l, err := newLayout(table)
	if err != nil {
		t.Fatal(err)
	}
	_, body, err := e.encode(l, testID.seed(), &b, 0, rows, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	f := forgery{table: table, codec: LZ4, rows: rows, nulls: e.nulls, entry: e.entry}
	for _, x := range e.entry.buffers {
		f.stored = append(f.stored, slices.Clone(body[x.offset:x.offset+x.length]))
	}
	edit(&f)
	return f.file(t, l)
}

// plain decompresses a buffer.
func (f *forgery) plain(i int) []byte {
	n, err := plainLength(f.stored[i])
	if err != nil {
		panic(err)
	}
	out := make([]byte, n)
	var d decompressor
	if err := d.into(out, f.stored[i], LZ4); err != nil {
		panic(err)
	}
	return out
}

// set stores a buffer's bytes uncompressed.
func (f *forgery) set(i int, plain []byte) { f.stored[i] = storedAs(-1, plain) }

// raw stores every buffer uncompressed, as either codec may.
func (f *forgery) raw(codec Codec) {
	for i, s := range f.stored {
		if len(s) > 0 {
			f.set(i, f.plain(i))
		}
	}
	f.codec = codec
}

func storedAs(length int64, b []byte) []byte {
	return append(binary.LittleEndian.AppendUint64(nil, uint64(length)), b...)
}

func (f *forgery) file(t *testing.T, l *layout) []byte {
	t.Helper()
	m := newMessages()
	head, err := m.schema(testID, l)
	if err != nil {
		t.Fatal(err)
	}
	file := slices.Clone(head)
	var body []byte
	f.entry.buffers, f.entry.sums = nil, nil
	for _, s := range f.stored {
		start := len(body)
		body = append(body, s...)
		for len(body)%align != 0 {
			body = append(body, 0)
		}
		f.entry.buffers = append(f.entry.buffers, extent{int64(start), int64(len(s))})
		f.entry.sums = append(f.entry.sums, crc32.Checksum(body[start:], castagnoli()))
	}
	f.entry.Offset = int64(len(file)) + f.offset
	if f.extents != nil {
		f.extents(f.entry.buffers)
	}
	packed := append(appendEntry(nil, &f.entry), f.trailing...)
	message, err := m.batch(testID.seed(), f.codec, f.rows, f.nulls, f.entry.buffers, int64(len(body))+f.body, packed)
	if err != nil {
		t.Fatal(err)
	}
	return slices.Concat(file, message, body)
}

// callTable is a small table that has each kind of column.
func callTable() *schemas.Table {
	return &schemas.Table{Name: "calls", Call: true, Fields: []schemas.Field{
		{Name: "number", Type: schemas.TypeI16}, {Name: "flag", Type: schemas.TypeBool}, {Name: "text", Type: schemas.TypeString, MaxLen: 32},
	}}
}

// The buffers of callTable's columns: values; of text, the offsets, with the bytes behind them.
const (
	bufTime, bufSite, bufDuration, bufEnd    = 1, 7, 9, 11
	bufValid, bufNumber, bufFlag, bufText    = 14, 15, 17, 19
	bufBytes, bufCut                         = 20, 22
	columnTime, columnNumber, columnTextNull = 0, 7, 9
)

// TestHostileSegments reads segments whose checksums are right and whose contents are not.
func TestHostileSegments(t *testing.T) {
	encoder, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	bomb := encoder.EncodeAll(bytes.Repeat([]byte{0}, 8*MaxBatchBytes), nil)
	put := func(f *forgery, buffer, at int, v ...byte) {
		b := f.plain(buffer)
		copy(b[at:], v)
		f.set(buffer, b)
	}
	for name, edit := range map[string]func(*forgery){
		"place":                 func(f *forgery) { f.offset = 8 },
		"first row":             func(f *forgery) { f.entry.FirstRow = 5 },
		"first row huge":        func(f *forgery) { f.entry.FirstRow = math.MaxUint64 },
		"rows 0":                func(f *forgery) { f.rows = 0 },
		"rows negative":         func(f *forgery) { f.rows = -1 },
		"rows many":             func(f *forgery) { f.rows = 1 << 40 },
		"rows more":             func(f *forgery) { f.rows = 101 },
		"rows fewer":            func(f *forgery) { f.rows = 99 },
		"nulls negative":        func(f *forgery) { f.nulls[columnNumber] = -1 },
		"nulls more":            func(f *forgery) { f.nulls[columnNumber] = 101 },
		"nulls other":           func(f *forgery) { f.nulls[columnNumber]++ },
		"nulls in time":         func(f *forgery) { f.nulls[columnTime] = 1 },
		"validity of time":      func(f *forgery) { f.stored[bufTime-1] = storedAs(-1, make([]byte, 13)) },
		"no validity":           func(f *forgery) { f.stored[bufValid] = nil },
		"null with a number":    func(f *forgery) { f.set(bufNumber, bytes.Repeat([]byte{7}, 200)) },
		"columns fewer":         func(f *forgery) { f.nulls = f.nulls[1:] },
		"buffers fewer":         func(f *forgery) { f.stored = f.stored[:len(f.stored)-1] },
		"buffers more":          func(f *forgery) { f.stored = append(f.stored, nil) },
		"codec":                 func(f *forgery) { f.codec = 2 },
		"codec other":           func(f *forgery) { f.codec = Zstd },
		"body longer":           func(f *forgery) { f.body = 8 },
		"body huge":             func(f *forgery) { f.body = math.MaxInt64 / 2 },
		"body negative":         func(f *forgery) { f.body = -1 << 40 },
		"buffer overlaps":       func(f *forgery) { f.extents = func(x []extent) { x[3].offset = 0 } },
		"buffer negative":       func(f *forgery) { f.extents = func(x []extent) { x[3].length = -8 } },
		"buffer overflows":      func(f *forgery) { f.extents = func(x []extent) { x[3].length = math.MaxInt64 } },
		"buffer before":         func(f *forgery) { f.extents = func(x []extent) { x[3].offset = -64 } },
		"no times":              func(f *forgery) { f.stored[bufTime] = nil },
		"length of length":      func(f *forgery) { f.stored[bufTime] = f.stored[bufTime][:7] },
		"length short":          func(f *forgery) { f.stored[bufTime] = storedAs(-1, make([]byte, 799)) },
		"length long":           func(f *forgery) { f.stored[bufTime] = storedAs(-1, make([]byte, 801)) },
		"length huge":           func(f *forgery) { f.stored[bufBytes] = storedAs(1<<40, f.stored[bufBytes][8:]) },
		"length -2":             func(f *forgery) { f.stored[bufBytes] = storedAs(-2, f.stored[bufBytes][8:]) },
		"frame cut":             func(f *forgery) { f.stored[bufDuration] = f.stored[bufDuration][:60] },
		"frame longer":          func(f *forgery) { f.stored[bufDuration] = append(f.stored[bufDuration], 0, 0, 0, 0) },
		"frame none":            func(f *forgery) { f.stored[bufTime] = storedAs(800, nil) },
		"time negative":         func(f *forgery) { put(f, bufTime, 0, 255, 255, 255, 255, 255, 255, 255, 255) },
		"time huge":             func(f *forgery) { put(f, bufTime, 0, 0, 0, 0, 0, 0, 0, 0, 0x40) },
		"duration negative":     func(f *forgery) { put(f, bufDuration, 8, 0, 0, 0, 0, 0, 0, 0, 0x80) },
		"duration overflows":    func(f *forgery) { put(f, bufDuration, 8, 255, 255, 255, 255, 255, 255, 255, 0x3F) },
		"end":                   func(f *forgery) { put(f, bufEnd, 5, 6) },
		"site above":            func(f *forgery) { put(f, bufSite, 0, 0, 0, 0, 1) },
		"offset 0":              func(f *forgery) { put(f, bufText, 0, 1, 0, 0, 0) },
		"offsets descend":       func(f *forgery) { put(f, bufText, 200, 0, 0, 0, 0) },
		"offsets beyond":        func(f *forgery) { put(f, bufText, 400, 0, 255, 0, 0) },
		"no texts":              func(f *forgery) { f.stored[bufBytes] = nil },
		"texts too long":        func(f *forgery) { f.stored[bufBytes] = storedAs(MaxBatchBytes+1, nil) },
		"lz4 bomb":              func(f *forgery) { f.stored[bufBytes] = lz4Bomb() },
		"zstd bomb":             func(f *forgery) { f.raw(Zstd); f.stored[bufBytes] = storedAs(800, bomb) },
		"zstd bomb of its size": func(f *forgery) { f.raw(Zstd); f.stored[bufBytes] = storedAs(8*MaxBatchBytes, bomb) },
		"zstd bomb, cut":        func(f *forgery) { f.raw(Zstd); f.stored[bufBytes] = storedAs(MaxBatchBytes, bomb[:len(bomb)/2]) },
		"times":                 func(f *forgery) { f.entry.MaxTime = math.MaxInt64 },
		"times negative":        func(f *forgery) { f.entry.MinTime = -5 },
		"times reversed":        func(f *forgery) { f.entry.MaxTime = f.entry.MinTime - 1 },
		"ends reversed":         func(f *forgery) { f.entry.MaxEnd = f.entry.MaxTime - 1 },
		"running":               func(f *forgery) { f.entry.Running = 101 },
		"no sites":              func(f *forgery) { f.entry.Sites = nil },
		"sites fewer":           func(f *forgery) { f.entry.Sites = f.entry.Sites[1:] },
		"sites twice":           func(f *forgery) { f.entry.Sites[1].Site = f.entry.Sites[0].Site },
		"sites descend":         func(f *forgery) { f.entry.Sites[1].Site = 0 },
		"site huge":             func(f *forgery) { f.entry.Sites[len(f.entry.Sites)-1].Site = math.MaxUint32 },
		"site of none":          func(f *forgery) { f.entry.Sites[len(f.entry.Sites)-1].Site = 300 },
		"site without rows":     func(f *forgery) { f.entry.Sites[0].Rows = 0 },
		"site overflows":        func(f *forgery) { f.entry.Sites[0].Rows, f.entry.Sites[1].Rows = math.MaxUint64, 2 },
		"errors":                func(f *forgery) { f.entry.Sites[0].Errors = 7 },
		"more in the entry":     func(f *forgery) { f.trailing = []byte{0} },
	} {
		file := forge(t, callTable(), 100, edit)
		expectDamage(t, name, file, 100)
	}
}

// lz4Bomb is a frame of many blocks that each become 64 KiB.
func lz4Bomb() []byte {
	block := append([]byte{0x1F, 0, 1, 0}, bytes.Repeat([]byte{255}, 256)...)
	block = append(block, 230, 0x50, 0, 0, 0, 0, 0)
	out := storedAs(MaxBatchBytes, []byte(lz4Head))
	for range 8 * MaxBatchBytes / lz4Block {
		out = binary.LittleEndian.AppendUint32(out, uint32(len(block)))
		out = append(out, block...)
	}
	return append(out, 0, 0, 0, 0)
}

// expectDamage reads a segment of one batch in which something is wrong, in little memory.
func expectDamage(t *testing.T, name string, file []byte, rows uint64) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	r, err := Open(bytes.NewReader(file), int64(len(file)), Options{ID: testID, Table: callTable(), Sites: 300, Rows: rows})
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	got, damage := scanned(t, r, allColumns(callTable()))
	runtime.ReadMemStats(&after)
	if len(got) != 0 || len(damage) == 0 {
		t.Errorf("%s: %d rows, damage %v", name, len(got), damage)
	}
	if n := after.TotalAlloc - before.TotalAlloc; n > 4*MaxBatchBytes {
		t.Errorf("%s: %d MiB allocated", name, n>>20)
	}
	var s Scanner
	_, told, err := s.Verify(context.Background(), r)
	if err != nil || len(told) == 0 {
		t.Errorf("%s: verifying: %v, %v", name, told, err)
	}
}

// TestForgeryOfNothing holds the other tests to fail for what they change.
func TestForgeryOfNothing(t *testing.T) {
	table := callTable()
	file := forge(t, table, 100, func(*forgery) {})
	if rows := whole(t, opened(t, file, Options{Sites: 300, Rows: 100}), allColumns(table)); len(rows) != 100 {
		t.Errorf("%d rows", len(rows))
	}
	file = forge(t, table, 100, func(f *forgery) {
		f.set(bufTime, f.plain(bufTime))
		f.set(bufText, f.plain(bufText))
		f.set(bufBytes, f.plain(bufBytes))
		f.set(bufCut, f.plain(bufCut))
		f.set(bufFlag, f.plain(bufFlag))
	})
	if rows := whole(t, opened(t, file, Options{Sites: 300, Rows: 100}), allColumns(table)); len(rows) != 100 {
		t.Errorf("%d rows", len(rows))
	}
}

// TestVerify finds rows that are not what the message says of them, which a scan for a window would look for in vain.
func TestVerify(t *testing.T) {
	for name, edit := range map[string]func(*forgery){
		"greatest time": func(f *forgery) { f.entry.MaxTime, f.entry.MaxEnd = f.entry.MaxTime+1, f.entry.MaxEnd+1 },
		"greatest end":  func(f *forgery) { f.entry.MaxEnd++ },
		"running":       func(f *forgery) { f.entry.Running = 0 },
		"sites":         func(f *forgery) { f.entry.Sites[0].Rows++; f.entry.Sites[1].Rows-- },
	} {
		table := callTable()
		file := forge(t, table, 300, func(f *forgery) {
			for f.entry.Sites[1].Rows < 2 || f.entry.Sites[1].Errors == f.entry.Sites[1].Rows {
				f.entry.Sites[1].Rows++
				f.entry.Sites[2].Rows--
				if f.entry.Sites[2].Rows == 0 {
					t.Fatal("choose another seed")
				}
			}
			edit(f)
		})
		var s Scanner
		_, damage, err := s.Verify(context.Background(), opened(t, file, Options{}))
		if err != nil || len(damage) != 1 || !strings.Contains(damage[0].Cause, "not what the batch's description says") {
			t.Errorf("%s: %v %v", name, damage, err)
		}
	}
}

// TestHostileHeads changes the schema message, with right checksums.
func TestHostileHeads(t *testing.T) {
	for name, description := range map[string]string{
		"no JSON":     `{`,
		"other JSON":  `[1, 2]`,
		"no type":     `{"id":0,"name":"a","call":false,"fields":[{"name":"x","type":"float"}]}`,
		"twice":       `{"id":0,"name":"a","fields":[{"name":"x","type":"u8"},{"name":"x","type":"u8"}]}`,
		"many fields": `{"id":0,"name":"a","fields":[` + strings.Repeat(`{"name":"x","type":"u8"},`, 40) + `{"name":"y","type":"u8"}]}`,
		"control":     `{"id":0,"name":"a\u001b[2J","fields":[]}`,
	} {
		file := headOf(t, description)
		_, err := Open(bytes.NewReader(file), int64(len(file)), Options{})
		if _, ok := errors.AsType[*CorruptError](err); !ok {
			t.Errorf("%s: %v", name, err)
		}
	}
	file := headOf(t, `{"id":0,"name":"a","fields":[{"name":"x","type":"u8"}]}`)
	if _, err := Open(bytes.NewReader(file), int64(len(file)), Options{}); err != nil {
		t.Error(err)
	}
}

// headOf is a segment whose table's description is any text.
func headOf(t *testing.T, description string) []byte {
	t.Helper()
	m := newMessages()
	sum := m.pair(keySum, m.begin())
	table := m.pair(keyTable, m.fb.CreateString(description))
	segment := m.pair(keySegment, m.fb.CreateString(testID.String()))
	format := m.pair(keyFormat, m.fb.CreateString("1.0"))
	about := m.vector(format, segment, table)
	m.fb.StartObject(schemaSlots)
	m.fb.PrependUOffsetTSlot(schemaCustom, about, 0)
	header := m.fb.EndObject()
	return slices.Clone(m.end(testID.seed(), headerSchema, header, m.vector(sum), 0))
}

// repair gives a segment that was changed anywhere the checksums that its bytes ask for, as far as its messages can be found.
func repair(file []byte) []byte {
	for off := 0; off+prefixSize < len(file); {
		n := int(binary.LittleEndian.Uint32(file[off+4:]))
		if n < sumSize || off+prefixSize+n > len(file) {
			break
		}
		message := file[off : off+prefixSize+n]
		f := flat{b: message[prefixSize:]}
		m := f.root()
		length := f.i64Field(m, messageBodyLength)
		if f.byteField(m, messageHeaderType) == headerRecordBatch {
			repairBuffers(&f, m, file[off+prefixSize+n:])
		}
		var sum [4]byte
		binary.BigEndian.PutUint32(sum[:], messageSum(testID.seed(), message))
		hex.Encode(message[len(message)-sumSize+4:], sum[:])
		if length < 0 || length > int64(len(file)) {
			break
		}
		off += len(message) + int(length)
	}
	return file
}

// repairBuffers rewrites the checksums at the end of a batch's entry.
func repairBuffers(f *flat, m flatTable, body []byte) {
	rb, ok := f.tableField(m, messageHeader)
	at, count := f.vector(rb, batchBuffers, 16)
	text := f.value(m, messageCustom, keyEntry)
	entry, err := base64.StdEncoding.DecodeString(string(text))
	if !ok || f.bad || err != nil {
		return
	}
	last := len(entry)
	for i := count - 1; i >= 0 && last >= 4; i-- {
		offset, length := f.i64(at+16*i), f.i64(at+16*i+8)
		if length <= 0 || offset < 0 || offset > int64(len(body)) || length > int64(len(body))-offset {
			continue
		}
		end := min(offset+padded(length), int64(len(body)))
		last -= 4
		binary.LittleEndian.PutUint32(entry[last:], crc32.Checksum(body[offset:end], castagnoli()))
	}
	base64.StdEncoding.Encode(text, entry)
}

package segment

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"strconv"

	flatbuffers "github.com/google/flatbuffers/go"

	"probetape/schemas"
)

// A message of the stream is a continuation marker, the metadata's length, the metadata (a flatbuffer, Arrow's Message.fbs and
// Schema.fbs), and the body. Ours carry custom metadata; its last value, which is also the end of the metadata, is the checksum.
const (
	keyFormat  = "probetape.format"  // schema: major.minor
	keySegment = "probetape.segment" // schema: capture/number
	keyTable   = "probetape.table"   // schema: schemas.Table in JSON
	keyEntry   = "probetape.batch"   // record batch: what Arrow's metadata lacks, see entry.go
	keySum     = "probetape.crc32c"  // message: 8 hex digits

	continuation = 0xFFFFFFFF
	prefixSize   = 8  // continuation marker and length
	sumSize      = 16 // the checksum's string: its length, 8 digits, NUL, padding
	align        = 8
)

// endOfStream is the marker after the last message.
var endOfStream = []byte{0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0}

// Of Arrow's Message.fbs and Schema.fbs: table fields, types and enums by number.
const (
	metadataV5 = 4

	headerSchema      = 1
	headerRecordBatch = 3

	messageVersion, messageHeaderType, messageHeader, messageBodyLength, messageCustom, messageFields = 0, 1, 2, 3, 4, 5

	schemaEndianness, schemaFields, schemaCustom, schemaSlots = 0, 1, 2, 4

	fieldName, fieldNullable, fieldTypeType, fieldType, fieldChildren, fieldSlots = 0, 1, 2, 3, 5, 7

	typeInt, typeBinary, typeBool = 2, 4, 6

	batchLength, batchNodes, batchBuffers, batchCompression, batchSlots = 0, 1, 2, 3, 5
)

func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

// seed is the checksum of the identity, which every message's checksum begins with.
func (id Identity) seed() uint32 {
	return crc32.Checksum([]byte(id.String()), castagnoli())
}

// String returns the identity as it is in the file.
func (id Identity) String() string { return id.Capture + "/" + strconv.FormatUint(id.Segment, 10) }

// messages builds messages in memory that is reused.
type messages struct {
	fb      *flatbuffers.Builder
	base64  []byte
	scratch []flatbuffers.UOffsetT
}

func newMessages() *messages { return &messages{fb: flatbuffers.NewBuilder(4096)} }

// begin starts a message with what is to be its end.
func (m *messages) begin() flatbuffers.UOffsetT {
	m.fb.Reset()
	m.fb.Prep(8, 0) // all lengths become multiples of 8
	return m.fb.CreateString("00000000")
}

func (m *messages) pair(key string, value flatbuffers.UOffsetT) flatbuffers.UOffsetT {
	k := m.fb.CreateString(key)
	m.fb.StartObject(2)
	m.fb.PrependUOffsetTSlot(0, k, 0)
	m.fb.PrependUOffsetTSlot(1, value, 0)
	return m.fb.EndObject()
}

func (m *messages) vector(of ...flatbuffers.UOffsetT) flatbuffers.UOffsetT {
	return m.fb.CreateVectorOfTables(of)
}

// end finishes a message whose custom metadata and header are given. What it returns is valid until the next begin.
func (m *messages) end(seed uint32, headerType byte, header, custom flatbuffers.UOffsetT, body int64) []byte {
	fb := m.fb
	fb.StartObject(messageFields)
	fb.PrependInt64Slot(messageBodyLength, body, 0)
	fb.PrependUOffsetTSlot(messageCustom, custom, 0)
	fb.PrependUOffsetTSlot(messageHeader, header, 0)
	fb.PrependInt16Slot(messageVersion, metadataV5, 0)
	fb.PrependByteSlot(messageHeaderType, headerType, 0)
	fb.Finish(fb.EndObject())
	fb.PrependInt32(int32(len(fb.FinishedBytes())))
	fb.PrependInt32(-1)
	out := fb.Bytes[fb.Head():]
	var sum [4]byte
	binary.BigEndian.PutUint32(sum[:], messageSum(seed, out))
	hex.Encode(out[len(out)-sumSize+4:], sum[:])
	return out
}

// messageSum is the checksum of a message up to the digits of its own.
func messageSum(seed uint32, message []byte) uint32 {
	return crc32.Update(seed, castagnoli(), message[:len(message)-sumSize])
}

// schema builds the first message.
func (m *messages) schema(id Identity, l *layout) ([]byte, error) {
	description, err := json.Marshal(l.table)
	if err != nil {
		return nil, fmt.Errorf("describing table %q: %w", l.table.Name, err)
	}
	fb := m.fb
	sum := m.begin()
	sum = m.pair(keySum, sum)
	table := m.pair(keyTable, fb.CreateByteString(description))
	segment := m.pair(keySegment, fb.CreateString(id.String()))
	format := m.pair(keyFormat, fb.CreateString(fmt.Sprintf("%d.%d", schemas.FormatMajor, schemas.FormatMinor)))

	fields := make([]flatbuffers.UOffsetT, len(l.columns))
	for i := range l.columns {
		fields[i] = m.field(&l.columns[i])
	}
	fieldVector := m.vector(fields...)
	about := m.vector(format, segment, table)
	fb.StartObject(schemaSlots)
	fb.PrependUOffsetTSlot(schemaCustom, about, 0)
	fb.PrependUOffsetTSlot(schemaFields, fieldVector, 0)
	fb.PrependInt16Slot(schemaEndianness, 0, -1) // little
	header := fb.EndObject()
	out := m.end(id.seed(), headerSchema, header, m.vector(sum), 0)
	if len(out) > MaxMetadata {
		return nil, fmt.Errorf("describing table %q: %d bytes, at most %d", l.table.Name, len(out), MaxMetadata)
	}
	return out, nil
}

func (m *messages) field(c *column) flatbuffers.UOffsetT {
	fb := m.fb
	name := fb.CreateString(c.name)
	children := m.vector()
	typeType := byte(typeInt)
	switch c.kind {
	case kindBool:
		typeType = typeBool
		fb.StartObject(0)
	case kindBinary:
		typeType = typeBinary
		fb.StartObject(0)
	default:
		fb.StartObject(2)
		fb.PrependInt32Slot(0, int32(8*c.width), 0)
		fb.PrependBoolSlot(1, c.kind == kindInt, false)
	}
	typ := fb.EndObject()
	fb.StartObject(fieldSlots)
	fb.PrependUOffsetTSlot(fieldChildren, children, 0)
	fb.PrependUOffsetTSlot(fieldType, typ, 0)
	fb.PrependUOffsetTSlot(fieldName, name, 0)
	fb.PrependByteSlot(fieldTypeType, typeType, 0)
	fb.PrependBoolSlot(fieldNullable, c.nullable(), false)
	return fb.EndObject()
}

// extent is an Arrow buffer's place in the body.
type extent struct{ offset, length int64 }

// batch builds a record batch's message: nulls has a count for each column.
func (m *messages) batch(seed uint32, codec Codec, rows int, nulls []int, buffers []extent, body int64, entry []byte) ([]byte, error) {
	fb := m.fb
	sum := m.begin()
	sum = m.pair(keySum, sum)
	m.base64 = base64.StdEncoding.AppendEncode(m.base64[:0], entry)
	about := m.pair(keyEntry, fb.CreateByteString(m.base64))

	fb.StartObject(2)
	fb.PrependInt8Slot(0, int8(codec), -1)
	fb.PrependInt8Slot(1, 0, -1) // by buffer
	compression := fb.EndObject()
	fb.StartVector(16, len(buffers), 8)
	for i := len(buffers) - 1; i >= 0; i-- {
		fb.PrependInt64(buffers[i].length)
		fb.PrependInt64(buffers[i].offset)
	}
	bufferVector := fb.EndVector(len(buffers))
	fb.StartVector(16, len(nulls), 8)
	for i := len(nulls) - 1; i >= 0; i-- {
		fb.PrependInt64(int64(nulls[i]))
		fb.PrependInt64(int64(rows))
	}
	nodeVector := fb.EndVector(len(nulls))
	fb.StartObject(batchSlots)
	fb.PrependInt64Slot(batchLength, int64(rows), 0)
	fb.PrependUOffsetTSlot(batchNodes, nodeVector, 0)
	fb.PrependUOffsetTSlot(batchBuffers, bufferVector, 0)
	fb.PrependUOffsetTSlot(batchCompression, compression, 0)
	header := fb.EndObject()
	m.scratch = append(m.scratch[:0], about, sum)
	custom := fb.CreateVectorOfTables(m.scratch)
	out := m.end(seed, headerRecordBatch, header, custom, body)
	if len(out) > MaxMetadata {
		return nil, fmt.Errorf("describing a batch: %d bytes, at most %d", len(out), MaxMetadata)
	}
	return out, nil
}

package segment

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"

	"probetape/schemas"
)

// Entry is what a batch's message says of the batch.
type Entry struct {
	Offset   int64  // of the message in the file
	Length   int64  // of the message: metadata and columns
	FirstRow uint64 // rows before it in the segment
	Rows     int
	MinTime  int64 // boot clock, ns
	MaxTime  int64
	MaxEnd   int64  // the latest known end of a call; MaxTime for points
	Running  uint64 // calls that were still running when the recording stopped: they have no known end
	Codec    Codec
	Sites    []schemas.SiteCount // ascending

	body    int64    // where the body begins, in the file
	buffers []extent // Arrow's buffers, places in the body
	nulls   []int64  // of each column
	sums    []uint32 // of each buffer, its padding included
	packed  []byte   // the entry as it is in the message
}

// appendEntry writes what Arrow's own metadata lacks. Numbers are LEB128 (u) or its zigzag form (s), as in Protocol Buffers:
//
//	u offset of the message in the file
//	u rows before it in the segment
//	s least time
//	u greatest time minus that
//	u greatest end minus greatest time
//	u calls still running
//	u number of sites, then for each, ascending: u site minus the one before (the first: site), u rows, u rows with an errno
//	4 bytes, little-endian, for each buffer with a length: CRC32C of its bytes, padding included
func appendEntry(b []byte, e *Entry) []byte {
	b = binary.AppendUvarint(b, uint64(e.Offset))
	b = binary.AppendUvarint(b, e.FirstRow)
	b = binary.AppendVarint(b, e.MinTime)
	b = binary.AppendUvarint(b, uint64(e.MaxTime-e.MinTime))
	b = binary.AppendUvarint(b, uint64(e.MaxEnd-e.MaxTime))
	b = binary.AppendUvarint(b, e.Running)
	b = binary.AppendUvarint(b, uint64(len(e.Sites)))
	last := schemas.SiteID(0)
	for _, s := range e.Sites {
		b = binary.AppendUvarint(b, uint64(s.Site-last))
		b = binary.AppendUvarint(b, s.Rows)
		b = binary.AppendUvarint(b, s.Errors)
		last = s.Site
	}
	for i, x := range e.buffers {
		if x.length > 0 {
			b = binary.LittleEndian.AppendUint32(b, e.sums[i])
		}
	}
	return b
}

var (
	errMetadata = errors.New("the metadata makes no sense")
	errEntry    = errors.New("the batch's description makes no sense")
)

// parse reads a record batch's message, whose checksum was right, into e. What it returns is an error where anything in it does not fit
// the table or the rest of it. Offset and body must be set.
func (e *Entry) parse(l *layout, metadata []byte, minor int) error {
	f := flat{b: metadata}
	m := f.root()
	bodyLength := f.i64Field(m, messageBodyLength)
	e.packed = e.packed[:0]
	if v := f.value(m, messageCustom, keyEntry); !f.bad {
		n := base64.StdEncoding.DecodedLen(len(v))
		e.packed = resize(e.packed, n)
		n, err := base64.StdEncoding.Decode(e.packed, v)
		if err != nil {
			return errEntry
		}
		e.packed = e.packed[:n]
	}
	rb, ok := f.tableField(m, messageHeader)
	if !ok || f.byteField(m, messageHeaderType) != headerRecordBatch {
		return fmt.Errorf("%w: no record batch", errMetadata)
	}
	rows := f.i64Field(rb, batchLength)
	nodes, nodeCount := f.vector(rb, batchNodes, 16)
	buffers, bufferCount := f.vector(rb, batchBuffers, 16)
	compression, ok := f.tableField(rb, batchCompression)
	codec := f.byteField(compression, 0)
	if f.bad {
		return errMetadata
	}
	if !ok || codec > int(Zstd) || f.byteField(compression, 1) != 0 {
		return fmt.Errorf("%w: compression", errMetadata)
	}
	if rows < 1 || rows > MaxRows || nodeCount != len(l.columns) || bufferCount != l.buffers {
		return fmt.Errorf("%w: %d rows in %d columns of %d buffers", errMetadata, rows, nodeCount, bufferCount)
	}
	e.Rows, e.Codec = int(rows), Codec(codec)
	e.nulls = resize(e.nulls, nodeCount)
	for i := range e.nulls {
		e.nulls[i] = f.i64(nodes + 16*i + 8)
		if f.i64(nodes+16*i) != rows || e.nulls[i] < 0 || e.nulls[i] > rows {
			return fmt.Errorf("%w: column %d", errMetadata, i)
		}
	}
	e.buffers = resize(e.buffers, bufferCount)
	place := int64(0)
	for i := range e.buffers {
		x := extent{f.i64(buffers + 16*i), f.i64(buffers + 16*i + 8)}
		if x.offset != place || x.length < 0 || x.length > bodyLength-place {
			return fmt.Errorf("%w: buffer %d", errMetadata, i)
		}
		e.buffers[i] = x
		place += padded(x.length)
	}
	if place != bodyLength || bodyLength > maxBody(l) {
		return fmt.Errorf("%w: a body of %d bytes", errMetadata, bodyLength)
	}
	e.Length = e.body - e.Offset + bodyLength
	return e.unpack(minor)
}

// unpack reads what appendEntry wrote.
func (e *Entry) unpack(minor int) error {
	p := packed{b: e.packed}
	offset := p.u()
	e.FirstRow = p.u()
	e.MinTime = p.s()
	maxTime, maxEnd := p.u(), p.u()
	e.Running = p.u()
	sites := p.u()
	if p.bad || offset != uint64(e.Offset) || e.FirstRow > math.MaxInt64 || e.Running > uint64(e.Rows) || sites > uint64(e.Rows) {
		return errEntry
	}
	if e.MinTime < 0 || maxTime >= uint64(schemas.MaxTime) || maxEnd >= uint64(schemas.MaxTime) || e.MinTime >= schemas.MaxTime {
		return errEntry
	}
	e.MaxTime = e.MinTime + int64(maxTime)
	if e.MaxTime >= schemas.MaxTime || e.MaxTime+int64(maxEnd) >= schemas.MaxTime {
		return errEntry
	}
	e.MaxEnd = e.MaxTime + int64(maxEnd)
	e.Sites = e.Sites[:0]
	site, rows := uint64(0), uint64(0)
	for i := range sites {
		step := p.u()
		c := schemas.SiteCount{Rows: p.u(), Errors: p.u()}
		if site += step; p.bad || i > 0 && step == 0 || step >= schemas.MaxSites || site >= schemas.MaxSites ||
			c.Rows == 0 || c.Rows > uint64(e.Rows) || c.Errors > c.Rows {
			return errEntry
		}
		c.Site = schemas.SiteID(site)
		rows += c.Rows
		e.Sites = append(e.Sites, c)
	}
	if rows != uint64(e.Rows) {
		return errEntry
	}
	e.sums = resize(e.sums, len(e.buffers))
	for i, x := range e.buffers {
		e.sums[i] = 0
		if x.length > 0 {
			e.sums[i] = p.u32()
		}
	}
	if p.bad || len(p.b) > 0 && minor <= schemas.FormatMinor {
		return errEntry // a newer minor format may say more
	}
	return nil
}

// packed reads appendEntry's numbers. Where the bytes end too soon it is bad, and the numbers zero.
type packed struct {
	b   []byte
	bad bool
}

func (p *packed) u() uint64 {
	v, n := binary.Uvarint(p.b)
	if n <= 0 {
		p.bad, p.b = true, nil
		return 0
	}
	p.b = p.b[n:]
	return v
}

func (p *packed) s() int64 {
	v, n := binary.Varint(p.b)
	if n <= 0 {
		p.bad, p.b = true, nil
		return 0
	}
	p.b = p.b[n:]
	return v
}

func (p *packed) u32() uint32 {
	if len(p.b) < 4 {
		p.bad, p.b = true, nil
		return 0
	}
	v := binary.LittleEndian.Uint32(p.b)
	p.b = p.b[4:]
	return v
}

func padded(n int64) int64 { return (n + align - 1) &^ (align - 1) }

// maxBody is the most bytes that a body of the table can have: what compression adds at worst is its length before each buffer.
func maxBody(l *layout) int64 { return MaxBatchBytes + int64(l.buffers)*(8+align) }

// facts are what an entry tells of rows, counted from the rows.
type facts struct {
	rows             int
	minTime, maxTime int64
	maxEnd           int64
	running          uint64
	counts           []siteCount // by site
	sites            []schemas.SiteID
}

type siteCount struct{ rows, errors uint32 }

func (f *facts) reset() {
	for _, s := range f.sites {
		f.counts[s] = siteCount{}
	}
	*f = facts{counts: f.counts, sites: f.sites[:0], minTime: math.MaxInt64, maxTime: math.MinInt64, maxEnd: math.MinInt64}
}

// count adds rows from to to-1 of a batch.
func (f *facts) count(b *schemas.Batch, from, to int) error {
	f.rows += to - from
	times, sites := b.Time[from:to], b.Site[from:to]
	for i, t := range times {
		f.minTime, f.maxTime = min(f.minTime, t), max(f.maxTime, t)
		s := sites[i]
		if int64(s) >= int64(len(f.counts)) {
			if s >= schemas.MaxSites {
				return fmt.Errorf("row %d: site %d, at most %d", from+i, s, schemas.MaxSites-1)
			}
			f.counts = slices.Grow(f.counts, int(s)+1-len(f.counts))[:s+1]
		}
		c := &f.counts[s]
		if c.rows == 0 {
			f.sites = append(f.sites, s)
		}
		c.rows++
	}
	if f.minTime < 0 || f.maxTime >= schemas.MaxTime {
		return fmt.Errorf("times from %d to %d, outside what a clock shows", f.minTime, f.maxTime)
	}
	f.maxEnd = max(f.maxEnd, f.maxTime)
	if !b.Table.Call {
		return nil
	}
	durations, ends, errnos := b.Duration[from:to], b.End[from:to], b.Errno[from:to]
	for i, d := range durations {
		end := times[i] + d
		if d < 0 || d >= schemas.MaxTime || end >= schemas.MaxTime {
			return fmt.Errorf("row %d: a call from %d that took %d", from+i, times[i], d)
		}
		f.maxEnd = max(f.maxEnd, end)
		if ends[i] != schemas.EndReturned {
			if ends[i] > schemas.EndReturnMissed {
				return fmt.Errorf("row %d: %v", from+i, ends[i])
			}
			if ends[i] == schemas.EndRunning {
				f.running++
			}
		}
		if errnos[i] != 0 {
			f.counts[sites[i]].errors++
		}
	}
	return nil
}

// into puts the facts into an entry.
func (f *facts) into(e *Entry) {
	slices.Sort(f.sites)
	e.Rows, e.MinTime, e.MaxTime, e.MaxEnd, e.Running = f.rows, f.minTime, f.maxTime, f.maxEnd, f.running
	e.Sites = e.Sites[:0]
	for _, s := range f.sites {
		c := f.counts[s]
		e.Sites = append(e.Sites, schemas.SiteCount{Site: s, Rows: uint64(c.rows), Errors: uint64(c.errors)})
	}
}

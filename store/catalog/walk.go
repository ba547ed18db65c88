package catalog

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// The layout of a bbolt file, version 2 (go.etcd.io/bbolt, internal/common/page.go and meta.go). All numbers are little-endian: bbolt
// writes its host's order, and captures are recorded on little-endian hosts.
//
//	page            id u64, flags u16, count u16, overflow u32, then count elements, then their keys and values
//	branch element  pos u32, key size u32, page u64
//	leaf element    flags u32, pos u32, key size u32, value size u32
//	bucket          root page u64, sequence u64; with root page 0 a page follows in the value itself
//
// pos counts from the element's own beginning. A page is 1 + overflow pages long.
const (
	pageHeader   = 16
	elementSize  = 16
	bucketHeader = 16

	flagBranch   = 0x01
	flagLeaf     = 0x02
	flagMeta     = 0x04
	flagFreelist = 0x10

	leafBucket = 0x01 // a leaf element's flag: its value is a bucket
)

// Bounds of what is read. bbolt's own trees of 2^48 keys are less deep; no value of a catalogue comes near maxPageBytes.
const (
	maxDepth     = 24
	maxKeySize   = 32768
	maxPageBytes = MaxValueBytes + 1<<16
)

// MaxValueBytes is the largest value that a catalogue holds.
const MaxValueBytes = 4 << 20

// PageError is a page that cannot be right.
type PageError struct {
	Page   uint64
	Offset int64 // in the file
	Cause  string
	Err    error // of reading it; may be nil
}

func (e *PageError) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("reading page %d at byte %d: %s: %v", e.Page, e.Offset, e.Cause, e.Err)
	}
	return fmt.Sprintf("reading page %d at byte %d: %s", e.Page, e.Offset, e.Cause)
}

func (e *PageError) Unwrap() error { return e.Err }

// Pages reads the tree of one committed transaction of a bbolt file, as it stood when ReadPages was called.
//
// The file may be written on meanwhile. bbolt never overwrites a page of the newest committed tree, but the transaction after the next one
// may: so whatever was read is true if Moved says false afterwards, and is to be read again otherwise.
type Pages struct {
	r    io.ReaderAt
	size int64
	meta meta
}

// ReadPages finds the newest committed transaction of a file of so many bytes.
func ReadPages(r io.ReaderAt, size int64) (*Pages, error) {
	m, err := newestMeta(r, size)
	if err != nil {
		return nil, err
	}
	return &Pages{r: r, size: size, meta: m}, nil
}

// Txid numbers the transaction.
func (p *Pages) Txid() uint64 { return p.meta.txid }

// PageSize is the file's page size in bytes.
func (p *Pages) PageSize() int { return p.meta.pageSize }

// Moved reports whether another transaction has been committed since, so that what was read may be of two.
func (p *Pages) Moved() (bool, error) {
	m, err := newestMeta(p.r, p.size)
	if err != nil {
		return false, err
	}
	return m.txid != p.meta.txid, nil
}

// Bucket is a set of pairs, and of further buckets.
type Bucket struct {
	pages  *Pages
	root   uint64
	inline []byte // the page itself, where root is 0
	at     int64  // inline: where the page is in the file
}

// Root is the bucket that holds all others.
func (p *Pages) Root() *Bucket { return &Bucket{pages: p, root: p.meta.root} }

// Visitor is told what a walk meets. Slices are valid during the call.
type Visitor struct {
	// Pair is a key with its value, and where the value is in the file. nil: not wanted.
	Pair func(key, value []byte, offset int64) error
	// Bucket is a bucket within the bucket. nil: not wanted.
	Bucket func(key []byte, b *Bucket) error
	// Damage is a page that cannot be right; the walk goes on behind what hangs below it. nil: the walk ends with the error.
	Damage func(*PageError) error
}

// Walk visits the bucket's keys in their order. It reads no page twice, so it ends whatever the pages say.
func (b *Bucket) Walk(v Visitor) error {
	w := walk{pages: b.pages, visitor: &v}
	if b.inline != nil {
		return w.damaged(w.inline(&page{data: b.inline, offset: b.at}))
	}
	return w.tree(b.root, 0)
}

// Bucket returns the bucket called name within b, nil where there is none.
func (b *Bucket) Bucket(name string) (*Bucket, error) {
	var found *Bucket
	err := b.Walk(Visitor{Bucket: func(key []byte, sub *Bucket) error {
		if string(key) != name {
			return nil
		}
		found = sub
		if sub.inline != nil {
			found.inline = bytes.Clone(sub.inline)
		}
		return errStop
	}})
	if err != nil && !errors.Is(err, errStop) {
		return nil, err
	}
	return found, nil
}

// errStop ends a walk that has found what it looked for.
var errStop = errors.New("stop")

// walk is one walk through a bucket.
type walk struct {
	pages   *Pages
	visitor *Visitor
	seen    []uint64 // a bit for each page read
	bufs    [][]byte // a page's bytes, one for each depth
	last    []byte   // the last key visited
	started bool     // last holds one
}

// page is a page's bytes, overflow included.
type page struct {
	id     uint64
	offset int64
	data   []byte
	flags  uint16
	count  int
}

func (p *page) fail(cause string, args ...any) *PageError {
	return &PageError{Page: p.id, Offset: p.offset, Cause: fmt.Sprintf(cause, args...)}
}

// damaged hands a page error to the visitor, and passes other errors through.
func (w *walk) damaged(err error) error {
	var bad *PageError
	if w.visitor.Damage != nil && errors.As(err, &bad) {
		return w.visitor.Damage(bad)
	}
	return err
}

// tree visits what hangs below page id.
func (w *walk) tree(id uint64, depth int) error {
	p, err := w.read(id, depth)
	if err != nil {
		return w.damaged(err)
	}
	if p.flags == flagLeaf {
		return w.damaged(w.leaf(p))
	}
	for i := range p.count {
		child, err := p.branch(i)
		if err != nil {
			return w.damaged(err)
		}
		if err := w.tree(child, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// read reads page id into the buffer of a depth.
func (w *walk) read(id uint64, depth int) (*page, error) {
	size := w.pages.meta.pageSize
	p := &page{id: id, offset: int64(id) * int64(size)}
	if id < 2 || id >= w.pages.meta.highWater {
		p.offset = -1
		return nil, p.fail("it is not among the file's %d pages", w.pages.meta.highWater)
	}
	if depth >= maxDepth {
		return nil, p.fail("the tree is more than %d pages deep", maxDepth)
	}
	if !w.mark(id) {
		return nil, p.fail("it is in the tree twice")
	}
	if len(w.bufs) <= depth {
		w.bufs = append(w.bufs, make([]byte, size))
	}
	buf := w.bufs[depth][:size]
	if err := readFull(w.pages.r, buf, p.offset); err != nil {
		return nil, &PageError{Page: id, Offset: p.offset, Cause: "it is not in the file", Err: err}
	}
	overflow := binary.LittleEndian.Uint32(buf[12:])
	if overflow > 0 {
		length := (int64(overflow) + 1) * int64(size)
		switch {
		case length > maxPageBytes:
			return nil, p.fail("it claims %d bytes, more than any has", length)
		case uint64(overflow) >= w.pages.meta.highWater-id:
			return nil, p.fail("it claims pages beyond the file's %d", w.pages.meta.highWater)
		case p.offset+length > w.pages.size:
			return nil, p.fail("its %d bytes go beyond the end of the file", length)
		}
		for next := id + 1; next <= id+uint64(overflow); next++ {
			if !w.mark(next) {
				return nil, p.fail("page %d, which it continues in, is in the tree twice", next)
			}
		}
		if int64(cap(w.bufs[depth])) < length {
			w.bufs[depth] = make([]byte, length)
		}
		buf = w.bufs[depth][:length]
		if err := readFull(w.pages.r, buf, p.offset); err != nil {
			return nil, &PageError{Page: id, Offset: p.offset, Cause: "it is not in the file", Err: err}
		}
	}
	p.data = buf
	return p, p.parse()
}

// mark notes that a page was read. It returns false for one that was read before.
func (w *walk) mark(id uint64) bool {
	for uint64(len(w.seen)) <= id/64 {
		w.seen = append(w.seen, 0)
	}
	bit := uint64(1) << (id % 64)
	if w.seen[id/64]&bit != 0 {
		return false
	}
	w.seen[id/64] |= bit
	return true
}

// parse checks a page's header.
func (p *page) parse() error {
	if id := binary.LittleEndian.Uint64(p.data); id != p.id {
		return p.fail("it says that it is page %d", id)
	}
	p.flags = binary.LittleEndian.Uint16(p.data[8:])
	p.count = int(binary.LittleEndian.Uint16(p.data[10:]))
	if p.flags != flagLeaf && p.flags != flagBranch {
		return p.fail("its kind %#x is neither branch nor leaf", p.flags)
	}
	if p.flags == flagBranch && p.count == 0 {
		return p.fail("it is a branch without children")
	}
	if pageHeader+p.count*elementSize > len(p.data) {
		return p.fail("its %d elements do not fit in %d bytes", p.count, len(p.data))
	}
	return nil
}

// branch returns the page that a branch's element i refers to.
func (p *page) branch(i int) (uint64, error) {
	at := pageHeader + i*elementSize
	e := p.data[at : at+elementSize]
	pos, keySize := binary.LittleEndian.Uint32(e), binary.LittleEndian.Uint32(e[4:])
	if keySize > maxKeySize || uint64(at)+uint64(pos)+uint64(keySize) > uint64(len(p.data)) {
		return 0, p.fail("the key of element %d is not in the page", i)
	}
	return binary.LittleEndian.Uint64(e[8:]), nil
}

// element returns the key and value of a leaf's element i, and where the value is in the page.
func (p *page) element(i int) (key, value []byte, bucket bool, at int, err error) {
	at = pageHeader + i*elementSize
	e := p.data[at : at+elementSize]
	flags, pos := binary.LittleEndian.Uint32(e), binary.LittleEndian.Uint32(e[4:])
	keySize, valueSize := binary.LittleEndian.Uint32(e[8:]), binary.LittleEndian.Uint32(e[12:])
	switch {
	case flags > leafBucket:
		return nil, nil, false, 0, p.fail("element %d has the unknown flags %#x", i, flags)
	case keySize == 0 || keySize > maxKeySize:
		return nil, nil, false, 0, p.fail("element %d has a key of %d bytes", i, keySize)
	case uint64(at)+uint64(pos)+uint64(keySize)+uint64(valueSize) > uint64(len(p.data)):
		return nil, nil, false, 0, p.fail("element %d is not in the page", i)
	}
	from := at + int(pos)
	at = from + int(keySize)
	return p.data[from:at:at], p.data[at : at+int(valueSize) : at+int(valueSize)], flags == leafBucket, at, nil
}

// inline visits the elements of a page that is inside a value: a leaf, with the id 0.
func (w *walk) inline(p *page) error {
	if len(p.data) < pageHeader {
		return p.fail("the page of a bucket in it has %d bytes", len(p.data))
	}
	if err := p.parse(); err != nil {
		return err
	}
	if p.flags != flagLeaf {
		return p.fail("the page of a bucket in it is not a leaf")
	}
	return w.leaf(p)
}

// leaf visits a leaf's elements.
func (w *walk) leaf(p *page) error {
	for i := range p.count {
		key, value, isBucket, at, err := p.element(i)
		if err != nil {
			return err
		}
		if w.started && bytes.Compare(w.last, key) >= 0 {
			return p.fail("the key of element %d is not above the one before it", i)
		}
		w.last, w.started = append(w.last[:0], key...), true
		if err := w.visit(p, key, value, isBucket, at); err != nil {
			return err
		}
	}
	return nil
}

func (w *walk) visit(p *page, key, value []byte, isBucket bool, at int) error {
	if !isBucket {
		if w.visitor.Pair == nil {
			return nil
		}
		return w.visitor.Pair(key, value, p.offset+int64(at))
	}
	if w.visitor.Bucket == nil {
		return nil
	}
	if len(value) < bucketHeader {
		return p.fail("bucket %q has a header of %d bytes", key, len(value))
	}
	b := &Bucket{pages: w.pages, root: binary.LittleEndian.Uint64(value)}
	if b.root == 0 {
		b.inline, b.at = value[bucketHeader:], p.offset+int64(at+bucketHeader)
	}
	return w.visitor.Bucket(key, b)
}

// readFull reads all of buf. A file that ends before is io.ErrUnexpectedEOF.
func readFull(r io.ReaderAt, buf []byte, at int64) error {
	n, err := r.ReadAt(buf, at)
	if n == len(buf) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

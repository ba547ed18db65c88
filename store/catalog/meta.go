package catalog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
)

// meta is what a meta page says: after the page's header, magic u32, version u32, page size u32, flags u32, root bucket (page u64,
// sequence u64), freelist page u64, high-water mark u64, transaction u64, and the FNV-1a 64 of the 56 bytes before it. There are two, on
// pages 0 and 1, of the last transaction and the one before.
type meta struct {
	pageSize  int
	root      uint64
	highWater uint64 // pages from here on do not exist
	txid      uint64
}

const (
	boltMagic   = 0xED0CDAED
	boltVersion = 2

	metaSize    = 64
	metaSummed  = 56
	minPageSize = 1 << 10
	maxPageSize = 1 << 16
)

// ErrNoMeta is returned for a file without a valid meta page: it is not a bbolt file, or its beginning is lost.
var ErrNoMeta = errors.New("no valid meta page")

// newestMeta reads both meta pages and returns the newer valid one.
func newestMeta(r io.ReaderAt, size int64) (meta, error) {
	var best meta
	var causes []error
	found := false
	take := func(at int64) {
		m, err := readMeta(r, at, size)
		switch {
		case err != nil:
			causes = append(causes, fmt.Errorf("meta page at byte %d: %w", at, err))
		case at != 0 && at != int64(m.pageSize):
			causes = append(causes, fmt.Errorf("meta page at byte %d: it says that pages have %d bytes", at, m.pageSize))
		case !found || m.txid > best.txid:
			best, found = m, true
		}
	}
	take(0)
	if found {
		take(int64(best.pageSize))
		return best, nil
	}
	// The first is not valid, so the page size is not known: the second is looked for where it could be.
	for at := int64(minPageSize); at <= maxPageSize && !found; at *= 2 {
		take(at)
	}
	if !found {
		return meta{}, fmt.Errorf("%w: %w", ErrNoMeta, causes[0])
	}
	return best, nil
}

// readMeta reads the meta page at a place of a file of so many bytes.
func readMeta(r io.ReaderAt, at, size int64) (meta, error) {
	var buf [pageHeader + metaSize]byte
	if err := readFull(r, buf[:], at); err != nil {
		return meta{}, err
	}
	if flags := binary.LittleEndian.Uint16(buf[8:]); flags != flagMeta {
		return meta{}, fmt.Errorf("its kind is %#x", flags)
	}
	b := buf[pageHeader:]
	if magic := binary.LittleEndian.Uint32(b); magic != boltMagic {
		return meta{}, fmt.Errorf("its magic number is %#x", magic)
	}
	if v := binary.LittleEndian.Uint32(b[4:]); v != boltVersion {
		return meta{}, fmt.Errorf("its version is %d, want %d", v, boltVersion)
	}
	if sum, want := metaSum(b[:metaSummed]), binary.LittleEndian.Uint64(b[metaSummed:]); sum != want {
		return meta{}, fmt.Errorf("its checksum is %#x, want %#x", sum, want)
	}
	m := meta{
		pageSize:  int(binary.LittleEndian.Uint32(b[8:])),
		root:      binary.LittleEndian.Uint64(b[16:]),
		highWater: binary.LittleEndian.Uint64(b[40:]),
		txid:      binary.LittleEndian.Uint64(b[48:]),
	}
	if m.pageSize < minPageSize || m.pageSize > maxPageSize || m.pageSize&(m.pageSize-1) != 0 {
		return meta{}, fmt.Errorf("its page size is %d", m.pageSize)
	}
	// What lies beyond the end of a file that was cut is found missing when it is read; nothing may be sized by what the page says.
	m.highWater = min(m.highWater, uint64(size)/uint64(m.pageSize)+1)
	return m, nil
}

// metaSum is the checksum of a meta page.
func metaSum(b []byte) uint64 {
	sum := fnv.New64a()
	sum.Write(b) // never returns an error
	return sum.Sum64()
}

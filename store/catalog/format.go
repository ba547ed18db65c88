package catalog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

// FileName is the catalogue's name in a capture.
const FileName = "catalog.db"

// bucket is one of the catalogue's buckets. All are at the top; none holds another.
type bucket uint8

// The buckets. Keys are big-endian, so that bbolt's order is that of the numbers.
const (
	bucketManifest bucket = iota // "format": major u16, minor u16; "manifest": JSON
	bucketTables                 // table u32: JSON
	bucketSites                  // site u32: JSON
	bucketTasks                  // task/16 u32: a block of tasks
	bucketStacks                 // stack u32
	bucketSymbols                // pid u32, address u64
	bucketStrings                // number u32: text that tasks and symbols refer to
	bucketSegments               // segment u64
	bucketLosses                 // sequence u64: losses that were told together
	bucketTotals                 // site/32 u32: a block of totals
	bucketClock                  // sequence u64: clock samples that were told together
	bucketBlocked                // sequence u64: JSON
	bucketLog                    // sequence u64: JSON
	bucketCount
)

var bucketNames = [bucketCount]string{
	"manifest", "tables", "sites", "tasks", "stacks", "symbols", "strings", "segments", "losses", "totals", "clock", "blocked", "log",
}

func (b bucket) String() string { return bucketNames[b] }

// Keys of bucketManifest.
const (
	keyFormat   = "format"
	keyManifest = "manifest"
)

// Blocks hold this many neighbours in one value: a task or a site's totals alone would cost as much in its key as in itself.
const (
	tasksPerBlock  = 16
	totalsPerBlock = 32
)

// A value is framed: its version, the number of the commit that wrote it (varint), the body, and a CRC32C, little-endian, of the bucket's
// name, a zero byte, the key and all of the value before it. bbolt has no checksums but those of its two meta pages; with this one a flipped
// bit is found, and a catalogue whose tree is damaged can be read from its leaves alone, the newest value of each key.
const (
	valueVersion  = 1
	valueOverhead = 1 + binary.MaxVarintLen64 + 4
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func valueSum(b bucket, key, framed []byte) uint32 {
	sum := crc32.Update(0, castagnoli, []byte(bucketNames[b]))
	sum = crc32.Update(sum, castagnoli, []byte{0})
	sum = crc32.Update(sum, castagnoli, key)
	return crc32.Update(sum, castagnoli, framed)
}

// frame makes a value of a body.
func frame(dst []byte, b bucket, key, body []byte, commit uint64) []byte {
	from := len(dst)
	dst = append(dst, valueVersion)
	dst = binary.AppendUvarint(dst, commit)
	dst = append(dst, body...)
	return binary.LittleEndian.AppendUint32(dst, valueSum(b, key, dst[from:]))
}

var (
	errValueShort   = errors.New("value too short")
	errValueSum     = errors.New("value does not match its checksum")
	errValueVersion = errors.New("value of an unknown version")
)

// unframe checks a value and returns its body.
func unframe(b bucket, key, value []byte) (body []byte, commit uint64, err error) {
	if len(value) < 1+1+4 {
		return nil, 0, errValueShort
	}
	end := len(value) - 4
	if binary.LittleEndian.Uint32(value[end:]) != valueSum(b, key, value[:end]) {
		return nil, 0, errValueSum
	}
	if value[0] != valueVersion {
		return nil, 0, fmt.Errorf("%w: %d", errValueVersion, value[0])
	}
	commit, n := binary.Uvarint(value[1:end])
	if n <= 0 {
		return nil, 0, errValueShort
	}
	return value[1+n : end], commit, nil
}

// key32 returns the key of a number of four bytes.
func key32(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n) }

// key64 returns the key of a number of eight bytes.
func key64(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

package ldso

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// Library is an entry of the cache.
type Library struct {
	Soname string // libc.so.6
	Path   string // /lib/x86_64-linux-gnu/libc.so.6
}

// The layout is glibc's sysdeps/generic/dl-cache.h: an older table may come first, which newer loaders skip.
const (
	oldMagic  = "ld.so-1.7.0"
	oldHeader = 16 // magic, padding, count
	oldEntry  = 12
	newMagic  = "glibc-ld.so.cache1.1"
	newHeader = 48
	newEntry  = 24
)

// Flags of an entry: a library of glibc (3) for x86-64 (3 in the second byte).
const (
	flagsMask  = 0xffff
	flagsX8664 = 0x0303
)

// maxLibraries is more than any system has.
const maxLibraries = 1 << 17

// Cache reads the libraries for x86-64, in the cache's order. A library may be there several times, for processors of several levels.
func Cache(data []byte) ([]Library, error) {
	if bytes.HasPrefix(data, []byte(oldMagic)) && len(data) >= oldHeader {
		count := uint64(binary.LittleEndian.Uint32(data[12:]))
		skip := (oldHeader + count*oldEntry + 7) &^ 7
		if skip > uint64(len(data)) {
			return nil, fmt.Errorf("reading the loader's cache: its first table of %d entries is cut", count)
		}
		data = data[skip:]
	}
	if !bytes.HasPrefix(data, []byte(newMagic)) || len(data) < newHeader {
		return nil, errors.New("reading the loader's cache: unknown layout")
	}
	count := uint64(binary.LittleEndian.Uint32(data[20:]))
	if count > maxLibraries || newHeader+count*newEntry > uint64(len(data)) {
		return nil, fmt.Errorf("reading the loader's cache: %d entries do not fit into %d bytes", count, len(data))
	}
	list := make([]Library, 0, count)
	for i := range count {
		entry := data[newHeader+i*newEntry:]
		if binary.LittleEndian.Uint32(entry)&flagsMask != flagsX8664 {
			continue
		}
		// Offsets count from the newer table's beginning.
		soname, path := text(data, binary.LittleEndian.Uint32(entry[4:])), text(data, binary.LittleEndian.Uint32(entry[8:]))
		if soname == "" || path == "" {
			return nil, fmt.Errorf("reading the loader's cache: entry %d has no name", i)
		}
		list = append(list, Library{soname, path})
	}
	return list, nil
}

// maxText is the most bytes of a name: PATH_MAX.
const maxText = 4096

func text(data []byte, off uint32) string {
	if uint64(off) >= uint64(len(data)) {
		return ""
	}
	name := data[off:]
	name = name[:min(len(name), maxText)]
	end := bytes.IndexByte(name, 0)
	if end < 0 {
		return ""
	}
	return string(name[:end])
}

package segment

import (
	"encoding/binary"
	"unsafe"

	"probetape/schemas"
)

// Values on disk are little-endian. Where the host is too, a slice of numbers is its bytes on disk, and nothing is converted.
type number interface {
	~uint8 | ~uint16 | ~uint32 | ~uint64 | ~int8 | ~int16 | ~int32 | ~int64
}

func littleEndian() bool { return binary.NativeEndian.Uint16([]byte{1, 0}) == 1 }

func size[T number]() int {
	var v T
	return int(unsafe.Sizeof(v))
}

// bytesOf is the memory of numbers.
func bytesOf[T number](s []T) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(s))), len(s)*size[T]())
}

// numbersOf is the numbers in memory that begins where Go's allocator began it.
func numbersOf[T number](b []byte) []T {
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(b))), len(b)/size[T]())
}

// reverse turns the bytes of each number around.
func reverse[T number](b []byte) {
	n := size[T]()
	for ; len(b) >= n; b = b[n:] {
		for i, j := 0, n-1; i < j; i, j = i+1, j-1 {
			b[i], b[j] = b[j], b[i]
		}
	}
}

// resize returns s with n elements, whose values are anything.
func resize[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n, n+n/4)
	}
	return s[:n]
}

// bitmapBytes is the size of n bits.
func bitmapBytes(n int) int { return (n + 7) / 8 }

// anySet reports whether any of the bitmap's rows from to to-1 is set. from is a multiple of 64.
func anySet(b schemas.Bitmap, from, to int) bool {
	for i := from; i < to && i>>6 < len(b); i += 64 {
		if word(b, i)&rowMask(to-i) != 0 {
			return true
		}
	}
	return false
}

// word returns 64 rows of a bitmap from row i on, a multiple of 64.
func word(b schemas.Bitmap, i int) uint64 {
	if i>>6 < len(b) {
		return b[i>>6]
	}
	return 0
}

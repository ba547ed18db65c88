package segment

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// Codec is how a batch's buffers are compressed.
type Codec uint8

// The codecs, by Arrow's numbers.
const (
	LZ4  Codec = 0 // LZ4 frames: what a recording can afford
	Zstd Codec = 1 // for keeping
)

// A compressed buffer begins with the length of what it holds, decompressed, or -1: stored as it is.
const lengthSize = 8

// Our LZ4 frames: version 01, blocks independent and of 64 KiB at most, no checksums (the batch has its own), no content size. The last
// byte of the head is bits 8 to 15 of the XXH32 of the two before it.
const (
	lz4Head    = "\x04\x22\x4D\x18\x60\x40\x82"
	lz4Block   = 64 << 10
	lz4Literal = 1 << 31 // in a block's length: it is stored as it is
)

// compressor compresses buffers in memory that it reuses.
type compressor struct {
	codec   Codec
	matcher matcher
	lz4     lz4.Compressor
	zstd    *zstd.Encoder
}

func newCompressor(codec Codec) (*compressor, error) {
	c := &compressor{codec: codec}
	if codec == LZ4 {
		return c, nil
	}
	var err error
	c.zstd, err = zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false), zstd.WithWindowSize(zstdWindow),
		zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithLowerEncoderMem(true))
	if err != nil {
		return nil, fmt.Errorf("making a zstd encoder: %w", err)
	}
	return c, nil
}

// A content says what a buffer holds, which decides how to look for repetitions in it.
type content uint8

const (
	texts content = iota
	numeric
)

// append appends plain's compressed buffer to dst, which must not overlap with it.
func (c *compressor) append(dst, plain []byte, holds content) ([]byte, error) {
	start := len(dst)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(len(plain)))
	ok := true
	var err error
	if c.codec == Zstd {
		dst = c.zstd.EncodeAll(plain, dst)
	} else {
		dst, ok, err = c.frame(dst, plain, holds)
		if err != nil {
			return nil, err
		}
	}
	if !ok || len(dst)-start-lengthSize >= len(plain) {
		dst = append(binary.LittleEndian.AppendUint64(dst[:start], ^uint64(0)), plain...)
	}
	return dst, nil
}

// frame appends an LZ4 frame; not ok: it would not be shorter.
func (c *compressor) frame(dst, plain []byte, holds content) (_ []byte, ok bool, err error) {
	end := len(dst) + len(plain)
	dst = append(dst, lz4Head...)
	for len(plain) > 0 {
		block := plain[:min(len(plain), lz4Block)]
		plain = plain[len(block):]
		at := len(dst)
		dst = grow(dst, 4+lz4Bound(len(block)))
		n := 0
		if holds == numeric && littleEndian() {
			n = c.matcher.block(dst[at+4:], block)
		} else if n, err = c.lz4.CompressBlock(block, dst[at+4:]); err != nil {
			return nil, false, fmt.Errorf("compressing: %w", err)
		}
		size := uint32(n)
		if n >= len(block) {
			n = copy(dst[at+4:], block)
			size = uint32(n) | lz4Literal
		}
		binary.LittleEndian.PutUint32(dst[at:], size)
		dst = dst[:at+4+n]
		if len(dst) >= end {
			return dst, false, nil
		}
	}
	return append(dst, 0, 0, 0, 0), true, nil
}

// grow returns dst with n more bytes.
func grow(dst []byte, n int) []byte {
	if cap(dst)-len(dst) < n {
		dst = append(make([]byte, 0, (len(dst)+n)*3/2), dst...)
	}
	return dst[:len(dst)+n]
}

// zstdWindow bounds what a decoder must remember.
const zstdWindow = 1 << 20

// decompressor takes buffers apart in memory that it reuses.
type decompressor struct{ zstd *zstd.Decoder }

var (
	errLength = errors.New("a buffer's length is wrong")
	errFrame  = errors.New("a buffer's compression is damaged")
)

// plainLength is how many bytes a stored buffer holds.
func plainLength(stored []byte) (int, error) {
	if len(stored) < lengthSize {
		return 0, errLength
	}
	n := int64(binary.LittleEndian.Uint64(stored))
	if n == -1 {
		n = int64(len(stored) - lengthSize)
	}
	if n < 0 || n > MaxBatchBytes {
		return 0, errLength
	}
	return int(n), nil
}

// into decompresses a stored buffer into dst, which is as long as plainLength said.
func (d *decompressor) into(dst, stored []byte, codec Codec) error {
	if int64(binary.LittleEndian.Uint64(stored)) == -1 {
		copy(dst, stored[lengthSize:])
		return nil
	}
	stored = stored[lengthSize:]
	if codec == LZ4 {
		return unframe(dst, stored)
	}
	if d.zstd == nil {
		var err error
		d.zstd, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(MaxBatchBytes),
			zstd.WithDecoderMaxWindow(MaxBatchBytes), zstd.WithDecodeAllCapLimit(true), zstd.WithDecoderLowmem(true))
		if err != nil {
			return fmt.Errorf("making a zstd decoder: %w", err)
		}
	}
	out, err := d.zstd.DecodeAll(stored, dst[:0:len(dst)])
	if err != nil || len(out) != len(dst) {
		return errFrame
	}
	return nil
}

// unframe decompresses one of our LZ4 frames into dst, which it fills exactly.
func unframe(dst, frame []byte) error {
	if len(frame) < len(lz4Head) || string(frame[:len(lz4Head)]) != lz4Head {
		return errFrame
	}
	frame = frame[len(lz4Head):]
	for {
		if len(frame) < 4 {
			return errFrame
		}
		size := binary.LittleEndian.Uint32(frame)
		frame = frame[4:]
		if size == 0 {
			break
		}
		n := int(size &^ lz4Literal)
		if n > len(frame) || n > lz4Block || len(dst) == 0 {
			return errFrame
		}
		want := dst[:min(len(dst), lz4Block)]
		dst = dst[len(want):]
		if size&lz4Literal != 0 {
			if n != len(want) {
				return errFrame
			}
			copy(want, frame)
		} else if m, err := lz4.UncompressBlock(frame[:n], want); err != nil || m != len(want) {
			return errFrame
		}
		frame = frame[n:]
	}
	if len(dst) > 0 || len(frame) > 0 {
		return errFrame
	}
	return nil
}

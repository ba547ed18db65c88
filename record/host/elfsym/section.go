package elfsym

import (
	"debug/elf"
	"errors"
	"fmt"
	"io"

	"compress/zlib"
	"github.com/klauspost/compress/zstd"
)

// Data returns a section's bytes, decompressed where it is compressed. One larger than limit is an error, and no memory is taken for it.
func (f *File) Data(s *Section, limit uint64) ([]byte, error) {
	size := s.Size
	if s.Flags&elf.SHF_COMPRESSED == 0 {
		if size > limit {
			return nil, fmt.Errorf("reading section %s: it has %d bytes; at most %d are read", s.Name, size, limit)
		}
		return f.read("section "+s.Name, s.Offset, size)
	}
	const header = 24 // Elf64_Chdr
	if size < header || s.Offset > f.size || size > f.size-s.Offset {
		return nil, fmt.Errorf("reading section %s: its %d bytes at %#x are not in the file", s.Name, size, s.Offset)
	}
	head, err := f.read("section "+s.Name, s.Offset, header)
	if err != nil {
		return nil, err
	}
	kind, plain := elf.CompressionType(u32(head, 0)), u64(head, 8)
	if plain > min(limit, maxTable) {
		return nil, fmt.Errorf("reading section %s: it has %d bytes when decompressed; at most %d are read", s.Name, plain, min(limit, maxTable))
	}
	// Memory is taken for what the header promises only where so few bytes can hold it.
	const ratio = 1100 // deflate's is at most 1032; zstd's is beyond, in sections of nothing but zeros
	if kind == elf.COMPRESS_ZLIB && plain/ratio > size {
		return nil, fmt.Errorf("decompressing section %s: %d bytes of %d", s.Name, plain, size)
	}
	data, err := decompress(kind, io.NewSectionReader(f.r, int64(s.Offset+header), int64(size-header)), int(plain))
	if err != nil {
		return nil, fmt.Errorf("decompressing section %s: %w", s.Name, err)
	}
	return data, nil
}

// decompress reads exactly size bytes.
func decompress(kind elf.CompressionType, in io.Reader, size int) ([]byte, error) {
	var out io.ReadCloser
	switch kind {
	case elf.COMPRESS_ZLIB:
		var err error
		if out, err = zlib.NewReader(in); err != nil {
			return nil, err
		}
	case elf.COMPRESS_ZSTD:
		d, err := zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxTable))
		if err != nil {
			return nil, err
		}
		out = d.IOReadCloser()
	default:
		return nil, fmt.Errorf("unknown method %d", kind)
	}
	data := make([]byte, size)
	_, err := io.ReadFull(out, data)
	if err == nil {
		// The end is reached, and the checksum behind it is right.
		var more int
		if more, err = out.Read(make([]byte, 1)); more > 0 {
			err = fmt.Errorf("more than %d bytes come out", size)
		} else if errors.Is(err, io.EOF) {
			err = nil
		}
	}
	return data, errors.Join(err, out.Close())
}

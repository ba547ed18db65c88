package elfsym

import (
	"compress/zlib"
	"debug/elf"
	"fmt"
	"io"

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
	in := io.NewSectionReader(f.r, int64(s.Offset+header), int64(size-header))
	var out io.ReadCloser
	switch kind {
	case elf.COMPRESS_ZLIB:
		if out, err = zlib.NewReader(in); err != nil {
			return nil, fmt.Errorf("decompressing section %s: %w", s.Name, err)
		}
	case elf.COMPRESS_ZSTD:
		d, err := zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxTable))
		if err != nil {
			return nil, fmt.Errorf("decompressing section %s: %w", s.Name, err)
		}
		out = d.IOReadCloser()
	default:
		return nil, fmt.Errorf("decompressing section %s: unknown method %d", s.Name, kind)
	}
	// What the header promises is believed only as far as the stream delivers.
	data, err := io.ReadAll(io.LimitReader(out, int64(plain)+1))
	if closeErr := out.Close(); err == nil {
		err = closeErr
	}
	if err == nil && uint64(len(data)) != plain {
		err = fmt.Errorf("%d bytes came out, want %d", len(data), plain)
	}
	if err != nil {
		return nil, fmt.Errorf("decompressing section %s: %w", s.Name, err)
	}
	return data, nil
}

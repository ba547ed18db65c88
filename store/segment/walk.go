package segment

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
)

// walker goes from message to message through a segment. It remembers nothing of those that are past.
type walker struct {
	r     *Reader
	head  *CorruptError // to be told first
	off   int64         // of the next message
	row   uint64        // rows before it
	ended bool          // the end-of-stream marker was met
	last  error         // io.EOF: nothing follows
	entry Entry

	window []byte // what was read last, from windowAt on
	at     int64
	ahead  int // bytes to read at once
	chunk  []byte
	tried  int64 // bytes that were read in vain to find a message behind damage
}

// begin goes to the beginning of a segment.
func (w *walker) begin(r *Reader) {
	*w = walker{r: r, head: r.head, off: r.start, ahead: aheadSmall, entry: w.entry, window: w.window[:0], chunk: w.chunk}
}

// A message and what follows it are read together where messages are small.
const (
	aheadLarge = 64 << 10
	aheadSmall = 4 << 10
)

var errEnded = errors.New("end of stream")

// damages reports whether an error of reading means that the bytes cannot be had or make no sense, and others may.
func damages(err error) bool {
	return !errors.Is(err, fs.ErrClosed) && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded)
}

// read returns n bytes at off. They are valid until the next call.
func (w *walker) read(off int64, n int) ([]byte, error) {
	if off < 0 || off+int64(n) > w.r.size {
		return nil, errTorn
	}
	if off < w.at || off+int64(n) > w.at+int64(len(w.window)) {
		length := int(min(int64(max(n, w.ahead)), w.r.size-off))
		w.window = resize(w.window, length)
		w.at = off
		got, err := w.r.r.ReadAt(w.window, off)
		w.window = w.window[:got]
		if got < n {
			if err == nil || err == io.EOF {
				err = errTorn
			}
			return nil, err
		}
	}
	return w.window[off-w.at:][:n], nil
}

// metadata returns the message at off up to its body, whose form and checksum are not checked; errEnded at the end-of-stream marker.
func (w *walker) metadata(off int64) ([]byte, error) {
	prefix, err := w.read(off, prefixSize)
	if err != nil {
		return nil, err
	}
	n := binary.LittleEndian.Uint32(prefix[4:])
	if binary.LittleEndian.Uint32(prefix) != continuation || n != 0 && !plausible(n) {
		return nil, errFraming
	}
	if n == 0 {
		return nil, errEnded
	}
	return w.read(off, prefixSize+int(n))
}

// plausible reports whether n may be the length of a message's metadata.
func plausible(n uint32) bool { return n%align == 0 && n >= 64 && n <= MaxMetadata-prefixSize }

// sumIsRight compares a message with its own checksum.
func sumIsRight(seed uint32, message []byte) bool {
	tail := message[len(message)-sumSize:]
	var sum [4]byte
	_, err := hex.Decode(sum[:], tail[4:12])
	return err == nil && string(tail[:4]) == "\x08\x00\x00\x00" && string(tail[12:]) == "\x00\x00\x00\x00" &&
		binary.BigEndian.Uint32(sum[:]) == messageSum(seed, message)
}

// batch reads the record batch's message at off into the entry.
func (w *walker) batch(off int64) error {
	message, err := w.metadata(off)
	if err != nil {
		return err
	}
	if !sumIsRight(w.r.seed, message) {
		return errChecksum
	}
	w.entry.Offset, w.entry.body = off, off+int64(len(message))
	if err := w.entry.parse(w.r.layout, message[prefixSize:], w.r.minor); err != nil {
		return err
	}
	if n := len(w.entry.Sites); w.r.opt.Sites > 0 && int64(w.entry.Sites[n-1].Site) >= int64(w.r.opt.Sites) {
		return fmt.Errorf("%w: site %d", errEntry, w.entry.Sites[n-1].Site)
	}
	return nil
}

// next returns the next batch's entry. A *CorruptError is for a part that is skipped; io.EOF is the end.
func (w *walker) next(ctx context.Context) (*Entry, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if w.last != nil {
		return nil, w.last
	}
	if w.head != nil {
		cause := w.head.Err
		w.head = nil
		return nil, w.skip(ctx, 0, cause)
	}
	if w.off >= w.r.size {
		w.last = io.EOF
		if missing := w.missing(); missing > 0 || w.r.opt.Sealed {
			corrupt := w.r.corrupt(w.r.size, 0, errors.New("the end-of-stream marker is missing"))
			corrupt.Rows = missing
			return nil, corrupt
		}
		return nil, io.EOF
	}
	err := w.batch(w.off)
	e := &w.entry
	switch {
	case err == errEnded && w.off+int64(len(endOfStream)) == w.r.size:
		w.last, w.ended = io.EOF, true
		if missing := w.missing(); missing > 0 {
			corrupt := w.r.corrupt(w.off, 0, errors.New("it ends too soon"))
			corrupt.Rows = missing
			return nil, corrupt
		}
		return nil, io.EOF
	case err == errEnded:
		err = errors.New("something follows the end of the stream")
	case err == nil && e.FirstRow != w.row:
		err = fmt.Errorf("%w: row %d comes after row %d", errEntry, e.FirstRow, w.row)
	}
	if err != nil {
		if stops(err) {
			return nil, err
		}
		return nil, w.skip(ctx, w.off, err)
	}
	w.off += e.Length
	w.row += uint64(e.Rows)
	if e.Length < aheadLarge/2 {
		w.ahead = aheadLarge
	} else {
		w.ahead = aheadSmall
	}
	if w.off > w.r.size {
		w.last = io.EOF
		corrupt := w.r.corrupt(e.Offset, w.r.size-e.Offset, errTorn)
		corrupt.Rows, corrupt.From, corrupt.To = uint64(e.Rows)+w.missing(), e.MinTime, e.MaxEnd
		return nil, corrupt
	}
	return e, nil
}

// missing is how many rows lack behind those seen so far.
func (w *walker) missing() uint64 {
	if w.r.opt.Rows > w.row {
		return w.r.opt.Rows - w.row
	}
	return 0
}

// skip goes to the next whole message behind damage at off, and tells the damage.
func (w *walker) skip(ctx context.Context, off int64, cause error) error {
	next, found, err := w.find(ctx, off+align)
	if err != nil {
		return err
	}
	corrupt := w.r.corrupt(off, next-off, cause)
	switch {
	case found && w.entry.FirstRow >= w.row:
		corrupt.Rows = w.entry.FirstRow - w.row
	case !found:
		corrupt.Rows = w.missing()
		w.row += corrupt.Rows
	}
	if found {
		w.row = w.entry.FirstRow
	}
	w.off = next
	if next == w.r.size {
		w.last = io.EOF
	}
	return corrupt
}

// find looks for the next whole record batch from off on, and returns its place. Else it returns the place of an end-of-stream marker at the
// end of the segment, or the segment's size.
//
// Messages begin at multiples of 8. What looks like one may be any bytes: reading in vain is limited to a few times the segment's size, so
// that a segment full of beginnings is not a way to hold the reader.
func (w *walker) find(ctx context.Context, off int64) (next int64, found bool, err error) {
	w.chunk = resize(w.chunk, aheadLarge)
	for off = padded(off); off <= w.r.size-prefixSize; {
		if err := ctx.Err(); err != nil {
			return 0, false, err
		}
		got, err := w.r.r.ReadAt(w.chunk[:min(int64(len(w.chunk)), w.r.size-off)], off)
		if err != nil && err != io.EOF && !damages(err) {
			return 0, false, err
		}
		fileEnds := err == io.EOF
		if got < prefixSize && !fileEnds {
			off += int64(len(w.chunk)) // it cannot be read; what follows may be
			continue
		}
		for i := 0; i+prefixSize <= got; i += align {
			if binary.LittleEndian.Uint32(w.chunk[i:]) != continuation {
				continue
			}
			n := binary.LittleEndian.Uint32(w.chunk[i+4:])
			at := off + int64(i)
			if n == 0 && at+prefixSize == w.r.size {
				return at, false, nil
			}
			if !plausible(n) || at+prefixSize+int64(n) > w.r.size {
				continue
			}
			if w.tried += int64(n); w.tried > 4*w.r.size+MaxMetadata {
				return w.r.size, false, nil
			}
			if err := w.batch(at); err == nil {
				return at, true, nil
			} else if stops(err) {
				return 0, false, err
			}
		}
		if fileEnds {
			break // size may be anything that somebody wrote
		}
		off += int64(got) &^ (align - 1)
	}
	return w.r.size, false, nil
}

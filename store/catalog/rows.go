package catalog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"probetape/schemas"
)

// The bodies of values that are many: numbers are varints (unsigned ones of encoding/binary, signed ones zigzag), times are differences
// from a time before them. docs/format-catalog.md has them member by member, in the order of the code below. A reader ignores what
// follows the last member it knows: that is where a newer minor version adds.

var errRow = errors.New("body ends within a member")

// source reads a body. The first error stays.
type source struct {
	b   []byte
	err error
}

func (s *source) fail(err error) {
	if s.err == nil {
		s.err = err
	}
	s.b = nil
}

func (s *source) uint() uint64 {
	v, n := binary.Uvarint(s.b)
	if n <= 0 {
		s.fail(errRow)
		return 0
	}
	s.b = s.b[n:]
	return v
}

func (s *source) int() int64 {
	v, n := binary.Varint(s.b)
	if n <= 0 {
		s.fail(errRow)
		return 0
	}
	s.b = s.b[n:]
	return v
}

func (s *source) uint32() uint32 {
	v := s.uint()
	if v > math.MaxUint32 {
		s.fail(fmt.Errorf("number %d does not fit in 32 bits", v))
		return 0
	}
	return uint32(v)
}

func (s *source) byte() byte {
	if len(s.b) == 0 {
		s.fail(errRow)
		return 0
	}
	v := s.b[0]
	s.b = s.b[1:]
	return v
}

// bytes reads a length and so many bytes, which are the body's own.
func (s *source) bytes() []byte {
	n := s.uint()
	if n > uint64(len(s.b)) {
		s.fail(errRow)
		return nil
	}
	v := s.b[:n:n]
	s.b = s.b[n:]
	return v
}

// count reads a number of items of at least size bytes each, which must be in the body.
func (s *source) count(size int) int {
	n := s.uint()
	if n > uint64(len(s.b)/size) {
		s.fail(fmt.Errorf("body of %d more bytes claims %d items", len(s.b), n))
		return 0
	}
	return int(n)
}

func appendBytes(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

// texts reads references to text: 0 is empty, 1 is followed by the text itself, n is entry n-2 of the bucket of strings.
type texts map[uint32]string

func (t texts) read(s *source) string {
	switch n := s.uint(); n {
	case 0:
		return ""
	case 1:
		return string(s.bytes())
	default:
		text, ok := t[uint32(min(n-2, math.MaxUint32))]
		if !ok {
			s.fail(fmt.Errorf("text %d is not among the strings", n-2))
		}
		return text
	}
}

// Flags of tasks.
const (
	taskKernel = 1 << iota
	taskTarget
	taskExited
)

func (e *Encoder) appendTask(dst []byte, t *schemas.Task) []byte {
	var flags byte
	if t.Kernel {
		flags |= taskKernel
	}
	if t.Target {
		flags |= taskTarget
	}
	if t.Exit != 0 {
		flags |= taskExited
	}
	dst = append(dst, flags)
	dst = binary.AppendUvarint(dst, uint64(t.PID))
	dst = binary.AppendVarint(dst, int64(t.TID)-int64(t.PID))
	dst = binary.AppendUvarint(dst, uint64(t.ParentPID))
	dst = binary.AppendUvarint(dst, uint64(t.UID))
	dst = binary.AppendVarint(dst, t.Start)
	if t.Exit != 0 {
		dst = binary.AppendVarint(dst, t.Exit-t.Start)
	}
	dst = e.appendText(dst, t.Cgroup)
	dst = binary.AppendUvarint(dst, uint64(len(t.Names)))
	last := t.Start
	for _, n := range t.Names {
		dst = binary.AppendVarint(dst, n.From-last)
		dst = e.appendText(dst, n.Comm)
		dst = e.appendText(dst, n.Exe)
		last = n.From
	}
	return dst
}

func readTask(s *source, strings texts) schemas.Task {
	flags := s.byte()
	t := schemas.Task{Kernel: flags&taskKernel != 0, Target: flags&taskTarget != 0}
	t.PID = s.uint32()
	t.TID = uint32(int64(t.PID) + s.int())
	t.ParentPID, t.UID = s.uint32(), s.uint32()
	t.Start = s.int()
	if flags&taskExited != 0 {
		t.Exit = t.Start + s.int()
	}
	t.Cgroup = strings.read(s)
	last := t.Start
	if n := s.count(3); n > 0 {
		t.Names = make([]schemas.TaskName, n)
		for i := range t.Names {
			last += s.int()
			t.Names[i] = schemas.TaskName{From: last, Comm: strings.read(s), Exe: strings.read(s)}
		}
	}
	return t
}

func appendTotals(dst []byte, t *schemas.SiteTotals) []byte {
	for _, n := range []uint64{t.Attempted, t.Seen, t.Lost, t.StartedBefore, t.MapFull, t.Unread} {
		dst = binary.AppendUvarint(dst, n)
	}
	return binary.AppendVarint(dst, t.Missed)
}

func readTotals(s *source) schemas.SiteTotals {
	return schemas.SiteTotals{
		Attempted: s.uint(), Seen: s.uint(), Lost: s.uint(), StartedBefore: s.uint(), MapFull: s.uint(), Unread: s.uint(), Missed: s.int(),
	}
}

// Flags of segments.
const segmentSealed = 1

func appendSegment(dst []byte, g *schemas.Segment) []byte {
	var flags byte
	if g.Sealed {
		flags |= segmentSealed
	}
	dst = append(dst, flags)
	dst = binary.AppendUvarint(dst, uint64(g.Table))
	dst = appendBytes(dst, g.File)
	dst = binary.AppendUvarint(dst, g.Rows)
	dst = binary.AppendUvarint(dst, g.Bytes)
	dst = binary.AppendUvarint(dst, uint64(g.Batches))
	dst = binary.AppendVarint(dst, g.MinTime)
	dst = binary.AppendVarint(dst, g.MaxTime-g.MinTime)
	dst = binary.AppendVarint(dst, g.MaxEnd-g.MinTime)
	dst = binary.AppendUvarint(dst, g.Running)
	dst = binary.AppendUvarint(dst, uint64(len(g.Sites)))
	last := schemas.SiteID(0)
	for _, c := range g.Sites {
		dst = binary.AppendUvarint(dst, uint64(c.Site-last))
		dst = binary.AppendUvarint(dst, c.Rows)
		dst = binary.AppendUvarint(dst, c.Errors)
		last = c.Site
	}
	return dst
}

func readSegment(s *source) schemas.Segment {
	g := schemas.Segment{Sealed: s.byte()&segmentSealed != 0}
	g.Table = schemas.TableID(s.uint32())
	g.File = string(s.bytes())
	g.Rows, g.Bytes, g.Batches = s.uint(), s.uint(), s.uint32()
	g.MinTime = s.int()
	g.MaxTime = g.MinTime + s.int()
	g.MaxEnd = g.MinTime + s.int()
	g.Running = s.uint()
	if n := s.count(3); n > 0 {
		g.Sites = make([]schemas.SiteCount, n)
		last := schemas.SiteID(0)
		for i := range g.Sites {
			last += schemas.SiteID(s.uint32())
			g.Sites[i] = schemas.SiteCount{Site: last, Rows: s.uint(), Errors: s.uint()}
		}
	}
	return g
}

// lossReasons are numbered from 1 by their places; 0 is followed by the reason's text. The numbers are on disk.
var lossReasons = []schemas.LossReason{
	schemas.LossBuffer, schemas.LossKernelMissed, schemas.LossDecode, schemas.LossStore, schemas.LossTail,
}

func appendLosses(dst []byte, losses []schemas.Loss) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(losses)))
	var from, to int64
	for i := range losses {
		l := &losses[i]
		dst = binary.AppendVarint(dst, l.From-from)
		dst = binary.AppendVarint(dst, l.To-to)
		from, to = l.From, l.To
		dst = binary.AppendUvarint(dst, uint64(l.Site))
		dst = binary.AppendUvarint(dst, l.Count)
		code := byte(0)
		for n, r := range lossReasons {
			if r == l.Reason {
				code = byte(n + 1)
			}
		}
		dst = append(dst, code)
		if code == 0 {
			dst = appendBytes(dst, string(l.Reason))
		}
	}
	return dst
}

func readLosses(s *source, dst []schemas.Loss) []schemas.Loss {
	var from, to int64
	for range s.count(5) {
		from += s.int()
		to += s.int()
		l := schemas.Loss{From: from, To: to, Site: schemas.SiteID(s.uint32()), Count: s.uint()}
		switch code := s.byte(); {
		case code == 0:
			l.Reason = schemas.LossReason(s.bytes())
		case int(code) <= len(lossReasons):
			l.Reason = lossReasons[code-1]
		default:
			s.fail(fmt.Errorf("loss for the unknown reason %d", code))
		}
		if s.err != nil {
			return dst
		}
		dst = append(dst, l)
	}
	return dst
}

func appendClock(dst []byte, c *schemas.ClockSample) []byte {
	for _, n := range []int64{c.Boot, c.Mono, c.Real, c.Uncertainty} {
		dst = binary.AppendVarint(dst, n)
	}
	return dst
}

func readClock(s *source) schemas.ClockSample {
	return schemas.ClockSample{Boot: s.int(), Mono: s.int(), Real: s.int(), Uncertainty: s.int()}
}

// Flags of stacks.
const stackUser = 1

func appendStack(dst []byte, k *schemas.Stack) []byte {
	var flags byte
	if k.User {
		flags |= stackUser
	}
	dst = append(dst, flags)
	dst = binary.AppendUvarint(dst, uint64(k.Task))
	dst = binary.AppendUvarint(dst, uint64(len(k.Frames)))
	last := uint64(0)
	for _, f := range k.Frames {
		dst = binary.AppendVarint(dst, int64(f-last)) // neighbours are close to each other; the difference may wrap around
		last = f
	}
	return dst
}

func readStack(s *source) schemas.Stack {
	k := schemas.Stack{User: s.byte()&stackUser != 0}
	k.Task = schemas.TaskID(s.uint32())
	if n := s.count(1); n > 0 {
		k.Frames = make([]uint64, n)
		last := uint64(0)
		for i := range k.Frames {
			last += uint64(s.int())
			k.Frames[i] = last
		}
	}
	return k
}

func (e *Encoder) appendSymbol(dst []byte, y *schemas.Symbol) []byte {
	dst = appendBytes(dst, y.Name)
	dst = binary.AppendUvarint(dst, y.Offset)
	dst = e.appendText(dst, y.Module)
	return e.appendText(dst, y.BuildID)
}

func readSymbol(s *source, strings texts) schemas.Symbol {
	return schemas.Symbol{Name: string(s.bytes()), Offset: s.uint(), Module: strings.read(s), BuildID: strings.read(s)}
}

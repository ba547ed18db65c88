package compile

import (
	"encoding/binary"
	"unsafe"

	"github.com/cilium/ebpf/asm"

	"probetape/bpf"
	"probetape/record/resolve"
	"probetape/schemas"
)

// Names of the maps of call stacks, in programs that take any.
const (
	MapKstacks = "kstacks"
	MapUstacks = "ustacks"
)

// exprs are what a site evaluates.
type exprs struct {
	filter, exitFilter *resolve.Expr
	fields             []*resolve.Expr
}

// recordSize is the offset of WireRecord.Size. While a record is written it holds where the next text goes: a number that the verifier
// cannot follow, so that each text's bound is checked anew and the paths through many texts stay as many as the texts.
const recordSize = int16(unsafe.Offsetof(schemas.WireRecord{}.Size))

// slack is what a record may need beyond its largest size: strings are read with one byte more, to know whether they are cut, and a NUL.
const slack = 8

// room is how many bytes a record of a table may touch.
func room(l schemas.Layout) int { return l.Max + slack }

// prologue moves the function's arguments to registers that survive calls.
func (f *fn) prologue(regs ...asm.Register) {
	for i, r := range regs {
		f.emit(asm.Mov.Reg(r, asm.R1+asm.Register(i)))
	}
}

// filterFunc generates filter_entry or filter_exit. What cannot be known is not wanted.
func filterFunc(name string, p place, x *resolve.Expr) (asm.Instructions, error) {
	f := &fn{emitter: newEmitter(name), place: p}
	f.prologue(regCtx, regEnv, regCall)
	yes, no := f.label(), f.label()
	f.cond(x, yes, no, no)
	f.place_(yes)
	f.emit(asm.Mov.Imm(asm.R0, 1), asm.Return())
	f.place_(no)
	f.emit(asm.Mov.Imm(asm.R0, 0), asm.Return())
	return f.finish()
}

// capture generates the writing of a table's fields.
type capture struct {
	*fn
	table  *schemas.Table
	layout schemas.Layout
	texts  int // sum of the texts' largest lengths
}

func newCapture(name string, p place, t *schemas.Table) *capture {
	c := &capture{fn: &fn{emitter: newEmitter(name), place: p}, table: t, layout: schemas.LayoutOf(t)}
	for _, field := range t.Fields {
		if field.Type.Text() {
			c.texts += field.MaxLen
		}
	}
	c.prologue(regCtx, regEnv, regCall, regRec)
	return c
}

// captureEntry generates capture_entry: the masks, with the fields of the return marked null, the size without texts, and the fields.
func captureEntry(p place, t *schemas.Table, fields []*resolve.Expr) (asm.Instructions, error) {
	c := newCapture(bpf.FuncCaptureEntry, p, t)
	var later uint32
	for i, field := range t.Fields {
		if field.AtExit {
			later |= 1 << i
		}
	}
	c.emit(
		asm.StoreImm(regRec, int16(c.layout.Masks), int64(int32(later)), asm.Word),
		asm.StoreImm(regRec, int16(c.layout.Masks)+4, 0, asm.Word),
		asm.StoreImm(regRec, recordSize, int64(c.layout.Fixed), asm.Half),
	)
	for i, field := range t.Fields {
		if !field.AtExit {
			c.field(i, fields[i])
		}
	}
	c.emit(asm.Mov.Imm(asm.R0, 0), asm.Return())
	return c.finish()
}

// captureExit generates capture_exit: the fields of the return, and the texts that were not there at the entry. (The system call
// itself may have faulted their page in.)
func captureExit(p place, t *schemas.Table, fields []*resolve.Expr) (asm.Instructions, error) {
	c := newCapture(bpf.FuncCaptureExit, p, t)
	for i, field := range t.Fields {
		switch {
		case field.AtExit:
			c.clear(i)
			c.field(i, fields[i])
		case retried(field, fields[i]):
			next := c.label()
			c.emit(asm.LoadMem(asm.R0, regRec, int16(c.layout.Masks), asm.Word), asm.And.Imm32(asm.R0, int32(uint32(1)<<i)))
			c.jump(asm.JEq, asm.R0, 0, next)
			c.clear(i)
			c.field(i, fields[i])
			c.place_(next)
		}
	}
	c.emit(asm.Mov.Imm(asm.R0, 0), asm.Return())
	return c.finish()
}

// retried reports whether an entry's field is read again at the return.
func retried(field schemas.Field, x *resolve.Expr) bool {
	return !field.AtExit && field.Type.Text() && (x.Op == resolve.OpStr || x.Op == resolve.OpBuf)
}

// field writes one field; where it cannot be read its bit is set in the null mask.
func (c *capture) field(i int, x *resolve.Expr) {
	c.at(x, c.table.Fields[i].Name)
	null, done := c.label(), c.label()
	before := len(c.jumps)
	if c.table.Fields[i].Type.Text() {
		c.text(i, x, null)
	} else {
		c.value(x, null)
		c.emit(asm.StoreMem(regRec, int16(c.layout.Offs[i]), asm.R0, sizeOf(c.table.Fields[i].Type.Size())))
	}
	if c.jumpsTo(null, before) {
		c.goTo(done)
		c.place_(null)
		c.setMask(0, i)
	}
	c.place_(done)
}

func (c *capture) jumpsTo(label string, from int) bool {
	for _, j := range c.jumps[from:] {
		if j.label == label {
			return true
		}
	}
	return false
}

// setMask sets field i's bit in the null mask (off 0) or the cut mask (off 4).
func (c *capture) setMask(off int16, i int) {
	at := int16(c.layout.Masks) + off
	c.emit(
		asm.LoadMem(asm.R1, regRec, at, asm.Word),
		asm.Or.Imm32(asm.R1, int32(uint32(1)<<i)),
		asm.StoreMem(regRec, at, asm.R1, asm.Word),
	)
}

func (c *capture) clear(i int) {
	at := int16(c.layout.Masks)
	c.emit(
		asm.LoadMem(asm.R1, regRec, at, asm.Word),
		asm.And.Imm32(asm.R1, int32(^(uint32(1)<<i))),
		asm.StoreMem(regRec, at, asm.R1, asm.Word),
	)
}

// text appends a string's or buffer's bytes to the record and writes its WireText.
func (c *capture) text(i int, x *resolve.Expr, null string) {
	switch x.Op {
	case resolve.OpStr:
		c.str(i, x, null)
	case resolve.OpBuf:
		c.buf(i, x, null)
	case resolve.OpComm:
		c.destination(i, null)
		c.emit(asm.Mov.Imm(asm.R2, 16), asm.FnGetCurrentComm.Call())
		c.jump(asm.JNE, asm.R0, 0, null)
		c.emit(asm.Mov.Imm(asm.R0, int32(min(16, c.table.Fields[i].MaxLen))))
		c.append(i)
	case resolve.OpText:
		c.literal(i, x, null)
	case resolve.OpCond:
		yes, no, done := c.label(), c.label(), c.label()
		c.cond(x.X, yes, no, null)
		c.place_(yes)
		c.text(i, x.Y, null)
		c.goTo(done)
		c.place_(no)
		c.text(i, x.Z, null)
		c.place_(done)
	default:
		c.fail("compiling %s: operation %d gives no text", c.name, x.Op)
	}
}

// destination leaves in R1 where field i's text goes.
func (c *capture) destination(i int, null string) {
	c.emit(asm.LoadMem(asm.R1, regRec, recordSize, asm.Half))
	// Never more in truth, since each text is written once; this is for the verifier.
	c.jump(asm.JGT, asm.R1, int32(c.layout.Fixed+c.texts-c.table.Fields[i].MaxLen), null)
	c.emit(asm.Add.Reg(asm.R1, regRec))
}

// append makes the R0 bytes at the destination field i's.
func (c *capture) append(i int) {
	off := int16(c.layout.Offs[i])
	c.emit(
		asm.LoadMem(asm.R1, regRec, recordSize, asm.Half),
		asm.StoreMem(regRec, off+int16(unsafe.Offsetof(schemas.WireText{}.Off)), asm.R1, asm.Half),
		asm.StoreMem(regRec, off+int16(unsafe.Offsetof(schemas.WireText{}.Len)), asm.R0, asm.Half),
		asm.Add.Reg(asm.R1, asm.R0),
		asm.StoreMem(regRec, recordSize, asm.R1, asm.Half),
	)
}

// str reads a string. With a length of its own, a text without a NUL ends there.
func (c *capture) str(i int, x *resolve.Expr, null string) {
	most := c.table.Fields[i].MaxLen
	c.value(x.X, null)
	address := c.save()
	if x.Y == nil {
		c.destination(i, null)
		c.emit(asm.Mov.Imm(asm.R2, int32(most+2)))
	} else {
		c.value(x.Y, null)
		c.nonNegative(x.Y)
		length := c.save()
		c.destination(i, null)
		c.emit(asm.LoadMem(asm.R2, asm.RFP, length, asm.DWord))
		c.atMost(asm.R2, int32(most+1))
		c.emit(asm.Add.Imm(asm.R2, 1))
		c.pop(8)
	}
	c.emit(asm.LoadMem(asm.R3, asm.RFP, address, asm.DWord))
	c.callReadStr(memoryOf(x))
	c.pop(8)
	c.jump(asm.JSLE, asm.R0, 0, null)
	c.emit(asm.Sub.Imm(asm.R0, 1))
	c.cut(i, most)
	c.append(i)
}

// cut limits the length in R0 to most and marks field i where it was more.
func (c *capture) cut(i, most int) {
	whole := c.label()
	c.jump(asm.JLE, asm.R0, int32(most), whole)
	c.setMask(4, i)
	c.emit(asm.Mov.Imm(asm.R0, int32(most)))
	c.place_(whole)
}

// nonNegative makes a negative length in R0 zero.
func (c *capture) nonNegative(x *resolve.Expr) {
	if !x.Type.Signed {
		return
	}
	ok := c.label()
	c.jump(asm.JSGE, asm.R0, 0, ok)
	c.emit(asm.Mov.Imm(asm.R0, 0))
	c.place_(ok)
}

func (c *capture) atMost(r asm.Register, limit int32) {
	ok := c.label()
	c.jump(asm.JLE, r, limit, ok)
	c.emit(asm.Mov.Imm(r, limit))
	c.place_(ok)
}

// buf reads bytes as they are.
func (c *capture) buf(i int, x *resolve.Expr, null string) {
	most := c.table.Fields[i].MaxLen
	c.value(x.X, null)
	address := c.save()
	if x.Y == nil {
		c.fail("compiling %s: a buffer without a length", c.name)
		return
	}
	c.value(x.Y, null)
	c.nonNegative(x.Y)
	c.cut(i, most)
	length := c.save()
	empty := c.label()
	c.jump(asm.JEq, asm.R0, 0, empty)
	c.destination(i, null)
	c.emit(asm.LoadMem(asm.R2, asm.RFP, length, asm.DWord))
	c.atMost(asm.R2, int32(most))
	c.emit(asm.LoadMem(asm.R3, asm.RFP, address, asm.DWord))
	c.callRead(memoryOf(x))
	c.jump(asm.JNE, asm.R0, 0, null)
	c.place_(empty)
	c.emit(asm.LoadMem(asm.R0, asm.RFP, length, asm.DWord))
	c.append(i)
	c.pop(16)
}

// literal writes a text of the probe itself.
func (c *capture) literal(i int, x *resolve.Expr, null string) {
	text := x.Text
	if most := c.table.Fields[i].MaxLen; len(text) > most {
		text = text[:most]
	}
	c.destination(i, null)
	var word [8]byte
	for at := 0; at < len(text); at += 8 {
		word = [8]byte{}
		n := copy(word[:], text[at:])
		if n == 8 {
			c.emit(asm.LoadImm(asm.R2, int64(binary.LittleEndian.Uint64(word[:])), asm.DWord), asm.StoreMem(asm.R1, int16(at), asm.R2, asm.DWord))
			continue
		}
		for k := range n {
			c.emit(asm.StoreImm(asm.R1, int16(at+k), int64(word[k]), asm.Byte))
		}
	}
	c.emit(asm.Mov.Imm(asm.R0, int32(len(text))))
	c.append(i)
}

// copyImage generates copy_image: the fixed part word by word, the texts in one go.
func copyImage(t *schemas.Table) (asm.Instructions, error) {
	l := schemas.LayoutOf(t)
	f := &fn{emitter: newEmitter(bpf.FuncCopyImage)}
	f.prologue(regRec, regCall)
	for off := 0; off < l.Fixed; off += 8 {
		f.emit(asm.LoadMem(asm.R1, regCall, int16(off), asm.DWord), asm.StoreMem(regRec, int16(off), asm.R1, asm.DWord))
	}
	done := f.label()
	if texts := l.Max - l.Fixed; texts > 0 {
		f.emit(asm.LoadMem(asm.R2, regCall, recordSize, asm.Half), asm.Sub.Imm(asm.R2, int32(l.Fixed)))
		f.jump(asm.JEq, asm.R2, 0, done)
		f.jump(asm.JGT, asm.R2, int32(texts), done)
		f.emit(
			asm.Mov.Reg(asm.R1, regRec), asm.Add.Imm(asm.R1, int32(l.Fixed)),
			asm.Mov.Reg(asm.R3, regCall), asm.Add.Imm(asm.R3, int32(l.Fixed)),
			asm.FnProbeReadKernel.Call(),
		)
	}
	f.place_(done)
	f.emit(asm.Mov.Imm(asm.R0, 0), asm.Return())
	return f.finish()
}

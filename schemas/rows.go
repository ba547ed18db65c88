package schemas

// AppendRows appends rows of src, a batch of the same table, to the batch. Columns that src lacks stay empty. The rows' numbers must be
// in src; they may be in any order.
func (b *Batch) AppendRows(src *Batch, rows []int32) {
	b.Time = appendRows(b.Time, src.Time, rows)
	b.CPU = appendRows(b.CPU, src.CPU, rows)
	b.Task = appendRows(b.Task, src.Task, rows)
	b.Site = appendRows(b.Site, src.Site, rows)
	b.Duration = appendRows(b.Duration, src.Duration, rows)
	b.End = appendRows(b.End, src.End, rows)
	b.Errno = appendRows(b.Errno, src.Errno, rows)
	for i := range b.Columns {
		b.Columns[i].appendRows(&src.Columns[i], rows, b.Len)
	}
	b.Len += len(rows)
}

func appendRows[T any](dst, src []T, rows []int32) []T {
	if len(src) == 0 {
		return dst
	}
	for _, r := range rows {
		dst = append(dst, src[r])
	}
	return dst
}

// appendRows appends to a column that holds at rows.
func (c *Column) appendRows(src *Column, rows []int32, at int) {
	c.Ints = appendRows(c.Ints, src.Ints, rows)
	if len(src.Offs) > 0 {
		if len(c.Offs) == 0 {
			c.Offs = append(c.Offs, 0)
		}
		for _, r := range rows {
			c.Data = append(c.Data, src.Bytes(int(r))...)
			c.Offs = append(c.Offs, uint32(len(c.Data)))
		}
	}
	c.Null = appendBits(c.Null, src.Null, rows, at)
	c.Cut = appendBits(c.Cut, src.Cut, rows, at)
}

func appendBits(dst, src Bitmap, rows []int32, at int) Bitmap {
	if len(src) == 0 {
		return dst
	}
	for i, r := range rows {
		if src.Get(int(r)) {
			dst = dst.Set(at + i)
		}
	}
	return dst
}

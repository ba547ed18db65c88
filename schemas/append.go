package schemas

import "math/bits"

// Append appends all rows of src, a batch of the same table that has the same columns. src must not be b.
func (b *Batch) Append(src *Batch) {
	n := src.Len
	b.Time = append(b.Time, src.Time[:n]...)
	b.CPU = append(b.CPU, src.CPU[:n]...)
	b.Task = append(b.Task, src.Task[:n]...)
	b.Site = append(b.Site, src.Site[:n]...)
	if src.Table.Call {
		b.Duration = append(b.Duration, src.Duration[:n]...)
		b.End = append(b.End, src.End[:n]...)
		b.Errno = append(b.Errno, src.Errno[:n]...)
	}
	for i := range b.Columns {
		b.Columns[i].append(&src.Columns[i], src.Table.Fields[i].Type.Text(), b.Len, n)
	}
	b.Len += n
}

// append appends the first n rows of src to a column that holds at rows.
func (c *Column) append(src *Column, text bool, at, n int) {
	if text {
		if len(c.Offs) == 0 {
			c.Offs = append(c.Offs, 0)
		}
		from, base := src.Offs[0], uint32(len(c.Data))
		for _, end := range src.Offs[1 : n+1] {
			c.Offs = append(c.Offs, base+end-from)
		}
		c.Data = append(c.Data, src.Data[from:src.Offs[n]]...)
		c.Cut = c.Cut.append(src.Cut, at, n)
	} else {
		c.Ints = append(c.Ints, src.Ints[:n]...)
	}
	c.Null = c.Null.append(src.Null, at, n)
}

// append adds the first n rows of src as rows at and following.
func (b Bitmap) append(src Bitmap, at, n int) Bitmap {
	for i, word := range src {
		for ; word != 0; word &= word - 1 {
			row := i*64 + bits.TrailingZeros64(word)
			if row >= n {
				return b
			}
			b = b.Set(at + row)
		}
	}
	return b
}

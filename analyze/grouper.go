package analyze

import (
	"math/bits"
	"math/rand/v2"
	"slices"

	"probetape/analyze/errno"
	"probetape/analyze/report"
	"probetape/schemas"
)

// grouper gives each row of a capture the slot of its group. Each worker has its own.
//
// A row's key is a few words: the classes of its site and task, then its CPU, error and end, then a word for each field and one that says
// which of them are null.
type grouper struct {
	*classes
	fields []*fieldKey
	ofRow  bool // a key is the CPU, the error or the end
	width  int  // words of a key

	words []uint64 // of the keys of the slots
	index []uint32 // a hash table of slots, each plus one; a power of two long
	seed  uint64
	row   []uint64 // scratch: the keys of a batch
	slots []uint32 // scratch
}

// fieldKey is a field that rows are grouped by.
type fieldKey struct {
	at      int                  // among the keys
	columns []int                // by table: the field's column, -1 for none
	readers []*fieldReader       // by table
	texts   []string             // the texts met so far, as they are shown
	known   [2]map[string]uint32 // and their numbers, by their bytes: of strings, and of bytes, which are shown in hex
}

func (g *classes) grouper() (*grouper, error) {
	w := &grouper{classes: g, width: 1, seed: rand.Uint64(), index: make([]uint32, 1024)}
	w.ofRow = has(g.keys, keyCPU) || has(g.keys, keyErrno) || has(g.keys, keyEnd)
	if w.ofRow {
		w.width++
	}
	for i, k := range g.keys {
		if k.kind != keyField {
			continue
		}
		f := &fieldKey{at: i, known: [2]map[string]uint32{{}, {}}}
		for t := range g.c.tables {
			table := &g.c.tables[t]
			at := table.FieldIndex(k.field)
			f.columns = append(f.columns, at)
			var r *fieldReader
			if at >= 0 {
				var err error
				if r, err = newFieldReader(g.c, &table.Fields[at]); err != nil {
					return nil, err
				}
			}
			f.readers = append(f.readers, r)
		}
		w.fields = append(w.fields, f)
	}
	if len(w.fields) > 0 {
		w.width += len(w.fields) + 1
	}
	return w, nil
}

// bySite reports whether every key follows from the site: then a row's slot is its site, and slotsOf is not needed.
func (g *grouper) bySite() bool { return ofSiteOnly(g.keys) }

// len returns how many slots there are.
func (g *grouper) len() int {
	if g.bySite() {
		return len(g.site)
	}
	return len(g.words) / g.width
}

// slotsOf returns the slot of each row of a batch. They are valid until the next call.
func (g *grouper) slotsOf(b *schemas.Batch) ([]uint32, error) {
	g.keysOf(b)
	if cap(g.slots) < b.Len {
		g.slots = make([]uint32, b.Len)
	}
	g.slots = g.slots[:b.Len]
	w := g.width
	for i := range g.slots {
		key := g.row[i*w : i*w+w]
		if i > 0 && equalWords(key, g.row[i*w-w:i*w]) {
			g.slots[i] = g.slots[i-1] // rows of one task and site come in runs
			continue
		}
		slot, ok := g.slot(key)
		if !ok {
			return nil, &TooManyGroupsError{By: keyNames(g.keys), Limit: maxGroups}
		}
		g.slots[i] = slot
	}
	return g.slots, nil
}

// keysOf fills g.row.
func (g *grouper) keysOf(b *schemas.Batch) {
	w := g.width
	if cap(g.row) < b.Len*w {
		g.row = make([]uint64, b.Len*w)
	}
	g.row = g.row[:b.Len*w]
	for i := range b.Len {
		class := uint64(g.site[b.Site[i]]) << 32
		if g.tasks != nil {
			class |= uint64(g.taskClass(b.Task[i], b.Time[i]))
		}
		g.row[i*w] = class
	}
	if g.ofRow {
		g.rowWords(b)
	}
	if len(g.fields) == 0 {
		return
	}
	last := w - 1
	for i := range b.Len {
		// Tables may have fields of one name and different types, whose words must not be compared.
		g.row[i*w+last] = uint64(b.Table.ID) << 32
	}
	first := last - len(g.fields)
	for n, f := range g.fields {
		f.fill(b, g.row[first+n:], g.row[last:], w, 1<<n)
	}
}

// rowWords fills in the word of what keys take from the row itself; what no key asks for is left out of it.
func (g *grouper) rowWords(b *schemas.Batch) {
	w := g.width
	cpu, errno, end := has(g.keys, keyCPU), has(g.keys, keyErrno) && len(b.Errno) > 0, has(g.keys, keyEnd) && len(b.End) > 0
	for i := range b.Len {
		var word uint64
		if cpu {
			word = uint64(b.CPU[i]) << 32
		}
		if errno {
			word |= uint64(b.Errno[i]) << 16
		}
		if end {
			word |= uint64(b.End[i]) + 1
		}
		g.row[i*w+1] = word
	}
}

// fill puts a field's values into every stride-th word, and marks nulls with a bit.
func (f *fieldKey) fill(b *schemas.Batch, words, nulls []uint64, stride int, bit uint64) {
	at := f.columns[b.Table.ID]
	if at < 0 || !present(&b.Columns[at]) {
		for i := range b.Len {
			words[i*stride] = 0
			nulls[i*stride] |= bit
		}
		return
	}
	col := &b.Columns[at]
	text := f.readers[b.Table.ID].field.Type.Text()
	for i := range b.Len {
		switch {
		case col.Null.Get(i):
			words[i*stride] = 0
			nulls[i*stride] |= bit
		case text:
			words[i*stride] = f.code(col.Bytes(i), col.Cut.Get(i), f.readers[b.Table.ID])
		default:
			words[i*stride] = uint64(col.Ints[i])
		}
	}
}

// code numbers a text.
func (f *fieldKey) code(text []byte, cut bool, r *fieldReader) uint64 {
	known := f.known[0]
	if r.field.Type == schemas.TypeBytes {
		known = f.known[1]
	}
	n, ok := known[string(text)]
	if !ok {
		n = uint32(len(f.texts))
		f.texts = append(f.texts, r.text(text))
		known[string(text)] = n
	}
	if cut {
		return uint64(n)<<1 | 1
	}
	return uint64(n) << 1
}

func equalWords(a, b []uint64) bool {
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// hash mixes a key's words with the seed. Captures are foreign: the seed keeps their authors from choosing keys that collide.
func (g *grouper) hash(key []uint64) uint64 {
	h := g.seed
	for _, w := range key {
		hi, lo := bits.Mul64(h^w, 0x9e3779b97f4a7c15)
		h = hi ^ lo
	}
	return h
}

// slot returns the slot of a key, making one where there is none. Not ok: there are too many.
func (g *grouper) slot(key []uint64) (uint32, bool) {
	mask := uint64(len(g.index) - 1)
	i := g.hash(key) & mask
	for ; g.index[i] != 0; i = (i + 1) & mask {
		if slot := g.index[i] - 1; equalWords(g.key(slot), key) {
			return slot, true
		}
	}
	n := len(g.words) / g.width
	if n >= maxGroups {
		return 0, false
	}
	g.words = append(g.words, key...)
	g.index[i] = uint32(n) + 1
	if 2*n > len(g.index) {
		g.rehash()
	}
	return uint32(n), true
}

// key returns the words of a slot's key.
func (g *grouper) key(slot uint32) []uint64 {
	return g.words[int(slot)*g.width:][:g.width]
}

func (g *grouper) rehash() {
	g.index = make([]uint32, 2*len(g.index))
	mask := uint64(len(g.index) - 1)
	for slot := range uint32(len(g.words) / g.width) {
		i := g.hash(g.key(slot)) & mask
		for g.index[i] != 0 {
			i = (i + 1) & mask
		}
		g.index[i] = slot + 1
	}
}

// values returns the values of a slot's keys.
func (g *grouper) values(slot uint32) []report.Value {
	if g.bySite() {
		return g.siteValues[g.site[slot]]
	}
	key := g.key(slot)
	v := slices.Clone(g.siteValues[key[0]>>32])
	if g.tasks != nil {
		for i, of := range g.taskValues[uint32(key[0])] {
			if g.keys[i].kind.ofTask() {
				v[i] = of
			}
		}
	}
	if g.ofRow {
		for i, k := range g.keys {
			switch k.kind {
			case keyCPU:
				v[i] = report.Value{Kind: report.Int, Int: int64(key[1] >> 32)}
			case keyErrno:
				if n := uint16(key[1] >> 16); n != 0 {
					v[i] = textValue(errno.Name(n))
				}
			case keyEnd:
				if n := uint16(key[1]); n != 0 {
					v[i] = textValue(schemas.End(n - 1).String())
				}
			}
		}
	}
	if len(g.fields) == 0 {
		return v
	}
	last := key[g.width-1]
	for n, f := range g.fields {
		if last>>n&1 != 0 {
			continue
		}
		v[f.at] = f.value(key[g.width-1-len(g.fields)+n], last>>32)
	}
	return v
}

// value returns what a word stands for in a table.
func (f *fieldKey) value(word, table uint64) report.Value {
	r := f.readers[table]
	if r.field.Type.Text() {
		return report.Value{Kind: report.Text, Text: f.texts[word>>1], Cut: word&1 != 0}
	}
	return r.integer(int64(word), 0)
}

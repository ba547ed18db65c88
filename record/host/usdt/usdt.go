package usdt

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"

	"probetape/record/host/elfsym"
)

// Probe is one place of a probe.
type Probe struct {
	Provider, Name string
	Address        uint64 // virtual, of the instruction (a nop)
	Offset         uint64 // the same as an offset in the file: where a uprobe goes
	Semaphore      uint64 // file offset of the counter that says whether anybody listens; 0: there is none
	Args           string // operands as the note has them; see Rebase
}

const (
	section  = ".note.stapsdt"
	owner    = "stapsdt"
	noteType = 3 // NT_STAPSDT: version 3 of the layout, the only one in use
)

// Bounds of what one note holds.
const (
	maxName = 256
	maxArgs = 4096
)

// Probes reads all probes of a file, by provider, name and offset. A file without any has none.
func Probes(f *elfsym.File) ([]Probe, error) {
	notes, err := f.SectionNotes(section)
	if err != nil {
		return nil, fmt.Errorf("reading USDT notes: %w", err)
	}
	var probes []Probe
	var base uint64
	if s := f.Section(".stapsdt.base"); s != nil {
		base = s.Addr
	}
	for i, n := range notes {
		if n.Name != owner || n.Type != noteType {
			continue
		}
		p, err := parse(n.Desc, base)
		if err == nil {
			err = locate(&p, f)
		}
		if err != nil {
			return nil, fmt.Errorf("reading USDT notes: note %d: %w", i+1, err)
		}
		probes = append(probes, p)
	}
	if err := rebase(f, probes); err != nil {
		return nil, fmt.Errorf("reading USDT notes: %w", err)
	}
	slices.SortFunc(probes, compare)
	return slices.Compact(probes), nil
}

func compare(a, b Probe) int {
	if c := strings.Compare(a.Provider, b.Provider); c != 0 {
		return c
	}
	if c := strings.Compare(a.Name, b.Name); c != 0 {
		return c
	}
	if c := cmp.Compare(a.Offset, b.Offset); c != 0 {
		return c
	}
	return strings.Compare(a.Args, b.Args)
}

// parse reads a note's description: the addresses of the instruction, of the base section and of the semaphore when the note was made, then
// three texts.
//
// Tools that move sections later (prelink, debug file splitters) do not know of notes. They do move the section .stapsdt.base: by how far it is from
// where the note says it was, all addresses have moved.
func parse(desc []byte, base uint64) (Probe, error) {
	const head = 3 * 8
	if len(desc) < head {
		return Probe{}, fmt.Errorf("%d bytes, want at least %d", len(desc), head)
	}
	p := Probe{Address: binary.LittleEndian.Uint64(desc), Semaphore: binary.LittleEndian.Uint64(desc[16:])}
	if was := binary.LittleEndian.Uint64(desc[8:]); base != 0 && was != 0 {
		p.Address += base - was
		if p.Semaphore != 0 {
			p.Semaphore += base - was
		}
	}
	parts := bytes.SplitN(desc[head:], []byte{0}, 4)
	if len(parts) < 4 {
		return p, errors.New("no provider, name and arguments")
	}
	p.Provider, p.Name, p.Args = string(parts[0]), string(parts[1]), string(parts[2])
	if !plain(p.Provider, maxName) || !plain(p.Name, maxName) || p.Provider == "" || p.Name == "" {
		return p, fmt.Errorf("%.64q:%.64q is not a provider and a name", p.Provider, p.Name)
	}
	if !plain(p.Args, maxArgs) {
		return p, fmt.Errorf("arguments %.64q are not text", p.Args)
	}
	return p, nil
}

// plain reports whether text is printable ASCII of at most some length.
func plain(text string, most int) bool {
	for i := range len(text) {
		if text[i] < ' ' || text[i] > '~' {
			return false
		}
	}
	return len(text) <= most
}

// locate turns the addresses into file offsets.
func locate(p *Probe, f *elfsym.File) error {
	var ok bool
	if p.Offset, ok = f.FileOffset(p.Address); !ok {
		return fmt.Errorf("%s:%s: address %#x is not in the file's code", p.Provider, p.Name, p.Address)
	}
	if p.Semaphore == 0 {
		return nil
	}
	if p.Semaphore, ok = f.DataOffset(p.Semaphore); !ok {
		return fmt.Errorf("%s:%s: the semaphore is not in the file's data", p.Provider, p.Name)
	}
	return nil
}

package analyze

import (
	"fmt"
	"strings"
)

// stackTable names addresses and stacks by what the recorder resolved.
type stackTable struct {
	symbols map[symbolKey]string
	texts   map[uint32]string
}

type symbolKey struct {
	pid     uint32 // 0: the kernel's
	address uint64
}

// stacksOf returns the capture's stacks and symbols, read once, before a replay.
func (c *capture) stacksOf() (*stackTable, error) {
	if c.stackTable != nil {
		return c.stackTable, nil
	}
	symbols, err := c.Symbols()
	if err != nil {
		return nil, fmt.Errorf("reading symbols of %s: %w", c.Name(), err)
	}
	stacks, err := c.Stacks()
	if err != nil {
		return nil, fmt.Errorf("reading stacks of %s: %w", c.Name(), err)
	}
	tasks, err := c.tasksOf()
	if err != nil {
		return nil, err
	}
	t := &stackTable{symbols: make(map[symbolKey]string, len(symbols)), texts: make(map[uint32]string, len(stacks))}
	for _, s := range symbols {
		name := s.Name
		if s.Offset != 0 {
			name = fmt.Sprintf("%s+%#x", s.Name, s.Offset)
		}
		t.symbols[symbolKey{s.PID, s.Address}] = name
	}
	for i := range stacks {
		s := &stacks[i]
		pid := uint32(0)
		if s.User {
			if task := tasks.at(s.Task); task != nil {
				pid = task.PID
			}
		}
		frames := make([]string, len(s.Frames))
		for j, address := range s.Frames {
			frames[j] = t.address(pid, address)
		}
		t.texts[s.ID] = strings.Join(frames, ";")
	}
	c.stackTable = t
	return t, nil
}

// address names an address: by its symbol where the capture holds one, else in hex.
func (t *stackTable) address(pid uint32, address uint64) string {
	if name, ok := t.symbols[symbolKey{pid, address}]; ok {
		return name
	}
	return fmt.Sprintf("%#x", address)
}

// stack returns a stack's frames, innermost first, joined by semicolons; "" where the capture lacks it.
func (t *stackTable) stack(id uint32) string { return t.texts[id] }

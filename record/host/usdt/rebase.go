package usdt

import (
	"errors"
	"strconv"
	"strings"

	"probetape/record/host/elfsym"
)

// rebase writes the addresses of global variables, which compilers leave as names in operands (4@counter(%rip), 8@table+16(%rip)), as
// distances from the probe's own instruction: N(%rip), where rip is that instruction's address. So whoever reads operands needs no symbols.
// Names that the file's symbol tables do not hold (it is stripped) stay.
func rebase(f *elfsym.File, probes []Probe) error {
	wanted := map[string]uint64{}
	for i := range probes {
		for _, word := range strings.Fields(probes[i].Args) {
			if g, ok := global(word); ok {
				wanted[g.name] = 0
			}
		}
	}
	if len(wanted) == 0 {
		return nil
	}
	for _, table := range []elfsym.Table{elfsym.Symtab, elfsym.Dynsym} {
		err := f.Each(table, func(s *elfsym.Symbol) bool {
			if have, ok := wanted[s.Name]; ok && have == 0 && s.Defined() {
				wanted[s.Name] = s.Address
			}
			return true
		})
		if err != nil {
			return err
		}
	}
	for i := range probes {
		words := strings.Split(probes[i].Args, " ")
		for k, word := range words {
			if g, ok := global(word); ok && wanted[g.name] != 0 {
				distance := int64(wanted[g.name] + uint64(g.plus) - probes[i].Address)
				words[k] = g.size + "@" + strconv.FormatInt(distance, 10) + "(%rip)"
			}
		}
		probes[i].Args = strings.Join(words, " ")
	}
	return nil
}

// variable is an operand in memory that a symbol names.
type variable struct {
	size string // with its sign
	name string
	plus int64
}

// global reads NAME(%rip), NAME+8(%rip), 8+NAME(%rip), NAME-8(%rip), and NAME alone, which programs that are not position-independent use.
func global(word string) (variable, bool) {
	size, place, ok := strings.Cut(word, "@")
	if !ok || place == "" || strings.ContainsAny(place, "$:@,") {
		return variable{}, false // a constant; a segment register (thread-local); a relocation; an index
	}
	v := variable{size: size}
	place, _ = strings.CutSuffix(place, "(%rip)")
	for place != "" {
		end := 1 + strings.IndexAny(place[1:], "+-")
		if end == 0 {
			end = len(place)
		}
		part := place[:end]
		place = place[end:]
		if n, err := strconv.ParseInt(strings.TrimPrefix(part, "+"), 0, 64); err == nil {
			v.plus += n
			continue
		} else if errors.Is(err, strconv.ErrRange) {
			return v, false
		}
		name := strings.TrimPrefix(part, "+")
		if v.name != "" || !isName(name) {
			return v, false
		}
		v.name = name
	}
	return v, v.name != ""
}

// isName reports whether text is a symbol's name in assembler.
func isName(text string) bool {
	for i := range len(text) {
		c := text[i]
		letter := c == '_' || c == '.' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return text != ""
}

package resolve

import (
	"fmt"
	"strconv"
	"strings"
)

// register is a place in a register of x86-64: the 64-bit register, and the byte and width of the part.
type register struct {
	name   string
	offset int // bytes
	size   int
}

// registerOf finds a register by the name that assembler gives it.
func registerOf(name string) (register, bool) {
	// r8 to r15 with b, w and d.
	if rest, ok := strings.CutPrefix(name, "r"); ok && rest != "" && rest[0] >= '0' && rest[0] <= '9' {
		digits := strings.TrimRight(rest, "bwd")
		n, err := strconv.Atoi(digits)
		if err != nil || n < 8 || n > 15 || digits != strconv.Itoa(n) {
			return register{}, false
		}
		sizes := map[string]int{"": 8, "d": 4, "w": 2, "b": 1}
		size, ok := sizes[rest[len(digits):]]
		return register{"r" + digits, 0, size}, ok
	}
	for _, letter := range []string{"a", "b", "c", "d"} {
		switch name {
		case "r" + letter + "x":
			return register{name, 0, 8}, true
		case "e" + letter + "x":
			return register{"r" + letter + "x", 0, 4}, true
		case letter + "x":
			return register{"r" + letter + "x", 0, 2}, true
		case letter + "l":
			return register{"r" + letter + "x", 0, 1}, true
		case letter + "h":
			return register{"r" + letter + "x", 1, 1}, true
		}
	}
	for _, pair := range []string{"si", "di", "bp", "sp", "ip"} {
		switch name {
		case "r" + pair:
			return register{name, 0, 8}, true
		case "e" + pair:
			return register{"r" + pair, 0, 4}, true
		case pair:
			return register{"r" + pair, 0, 2}, true
		case pair + "l":
			return register{"r" + pair, 0, 1}, pair != "ip"
		}
	}
	return register{}, false
}

// maxOperands is the most arguments that a USDT probe has (SystemTap's sys/sdt.h defines up to 12).
const maxOperands = 12

// operand is one argument of a USDT probe, or why it cannot be read.
type operand struct {
	*Operand
	err error
}

// parseOperands reads the argument string of a USDT note: operands as the assembler wrote them, each with its size, negative where it is
// signed ("-4@%edi 8@-16(%rbp) -4@$5 8@(%rax,%rbx,8)"). What is behind the first maxOperands is left out.
func parseOperands(text string) []operand {
	var all []operand
	for _, word := range operandWords(text) {
		if len(all) == maxOperands {
			break
		}
		o, err := parseOperand(word)
		if err != nil {
			err = fmt.Errorf("reading operand %q: %w", word, err)
		}
		all = append(all, operand{o, err})
	}
	return all
}

// operandWords splits at spaces outside parentheses: some assemblers write "8@-16(%rbp, %rax, 8)".
func operandWords(text string) []string {
	var words []string
	depth, start := 0, -1
	for i := 0; i <= len(text); i++ {
		if i == len(text) || text[i] == ' ' && depth == 0 {
			if start >= 0 {
				words = append(words, text[start:i])
			}
			start = -1
			continue
		}
		switch text[i] {
		case '(':
			depth++
		case ')':
			depth--
		}
		if start < 0 {
			start = i
		}
	}
	return words
}

func parseOperand(word string) (*Operand, error) {
	size, place, ok := strings.Cut(word, "@")
	if !ok {
		return nil, fmt.Errorf("no size")
	}
	o := &Operand{Signed: strings.HasPrefix(size, "-")}
	switch strings.TrimPrefix(size, "-") {
	case "1", "2", "4", "8":
		o.Size = int(size[len(size)-1] - '0')
	case "4f", "8f":
		return nil, fmt.Errorf("a floating-point number")
	default:
		return nil, fmt.Errorf("size %q", size)
	}
	switch {
	case strings.HasPrefix(place, "$"):
		v, err := strconv.ParseInt(place[1:], 0, 64)
		if err != nil {
			u, uerr := strconv.ParseUint(place[1:], 0, 64)
			if uerr != nil {
				return nil, fmt.Errorf("constant %q", place)
			}
			v = int64(u)
		}
		o.Const, o.Value = true, v
		return o, nil
	case strings.HasPrefix(place, "%"):
		r, ok := registerOf(place[1:])
		if !ok {
			return nil, fmt.Errorf("register %q", place)
		}
		o.Base, o.RegOff = r.name, r.offset
		return o, nil
	}
	if err := o.memory(place); err != nil {
		return nil, err
	}
	return o, nil
}

// memory reads off(%base,%index,scale), of which everything but the base may be missing.
func (o *Operand) memory(place string) error {
	open := strings.IndexByte(place, '(')
	if open < 0 || !strings.HasSuffix(place, ")") {
		return fmt.Errorf("place %q", place)
	}
	o.Mem = true
	if off := strings.TrimSpace(place[:open]); off != "" {
		v, err := strconv.ParseInt(off, 0, 64)
		if err != nil || v != int64(int32(v)) {
			return fmt.Errorf("offset %q", off) // a symbol's name: an address that only the linker knew
		}
		o.Value = v
	}
	parts := strings.Split(place[open+1:len(place)-1], ",")
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	if len(parts) > 3 {
		return fmt.Errorf("place %q", place)
	}
	for i, p := range parts[:min(len(parts), 2)] {
		r, ok := registerOf(strings.TrimPrefix(p, "%"))
		if !ok || r.size != 8 || !strings.HasPrefix(p, "%") {
			return fmt.Errorf("register %q of an address", p)
		}
		if i == 0 {
			o.Base = r.name
		} else {
			o.Index = r.name
		}
	}
	o.Scale = 1
	if len(parts) == 3 {
		n, err := strconv.Atoi(parts[2])
		if err != nil || n != 1 && n != 2 && n != 4 && n != 8 {
			return fmt.Errorf("scale %q", parts[2])
		}
		o.Scale = n
	}
	if o.Index == "" {
		o.Scale = 0
	}
	return nil
}

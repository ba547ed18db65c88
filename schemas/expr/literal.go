package expr

import (
	"errors"
	"fmt"
	"math/big"
	"math/bits"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// units are the words behind a number, and how many ns or bytes one of them is. As in record's flags, K, M and G are powers of 1024,
// and kB, MB and GB of 1000.
var units = [...]struct {
	word  string
	unit  Unit
	times uint64
}{
	{"ns", UnitDuration, 1},
	{"us", UnitDuration, 1e3},
	{"µs", UnitDuration, 1e3}, // the micro sign
	{"μs", UnitDuration, 1e3}, // the Greek letter
	{"ms", UnitDuration, 1e6},
	{"s", UnitDuration, 1e9},
	{"m", UnitDuration, 60e9},
	{"h", UnitDuration, 3600e9},
	{"B", UnitSize, 1},
	{"kB", UnitSize, 1e3},
	{"KB", UnitSize, 1e3},
	{"MB", UnitSize, 1e6},
	{"GB", UnitSize, 1e9},
	{"TB", UnitSize, 1e12},
	{"K", UnitSize, 1 << 10},
	{"M", UnitSize, 1 << 20},
	{"G", UnitSize, 1 << 30},
	{"T", UnitSize, 1 << 40},
	{"KiB", UnitSize, 1 << 10},
	{"MiB", UnitSize, 1 << 20},
	{"GiB", UnitSize, 1 << 30},
	{"TiB", UnitSize, 1 << 40},
}

// literalError is what is wrong with a literal.
type literalError struct {
	message string
	hints   []string
}

func (e *literalError) Error() string { return e.message }

// parseInt reads an integer literal as the lexer cuts it: digits, letters, underscores and points.
func parseInt(text string) (uint64, Unit, *literalError) {
	digits := strings.ReplaceAll(text, "_", "")
	if strings.HasSuffix(text, "_") || strings.Contains(text, "__") {
		return 0, UnitNone, &literalError{fmt.Sprintf("%s is not a number: _ stands between two digits", text), nil}
	}
	if len(digits) > 1 && digits[0] == '0' && digits[1] != '.' {
		switch c := digits[1]; {
		case c == 'x' || c == 'X':
			return parseBase(text, digits[2:], 16, "hexadecimal")
		case c == 'b' || c == 'B' && !strings.HasSuffix(digits, "B"):
			return parseBase(text, digits[2:], 2, "binary")
		case c == 'o' || c == 'O':
			return parseBase(text, digits[2:], 8, "octal")
		case c >= '0' && c <= '9' && strings.Trim(digits, "0123456789") == "":
			return parseBase(text, digits[1:], 8, "octal")
		}
	}
	return parseDecimal(text, digits)
}

func parseBase(text, digits string, base int, name string) (uint64, Unit, *literalError) {
	v, err := strconv.ParseUint(digits, base, 64)
	switch {
	case errors.Is(err, strconv.ErrRange):
		return 0, UnitNone, tooLarge(text)
	case err == nil:
		return v, UnitNone, nil
	}
	if bare := strings.TrimRight(digits, "uUlL"); bare != digits {
		if _, err := strconv.ParseUint(bare, base, 64); err == nil {
			return 0, UnitNone, cSuffix(text)
		}
	}
	return 0, UnitNone, &literalError{fmt.Sprintf("%s is not %s %s number", text, article(name), name), nil}
}

func article(word string) string {
	if strings.HasPrefix(word, "o") {
		return "an"
	}
	return "a"
}

func cSuffix(text string) *literalError {
	return &literalError{
		fmt.Sprintf("%s has a suffix of C; numbers have none here", text),
		[]string{"write " + strings.TrimRight(text, "uUlL")},
	}
}

func tooLarge(text string) *literalError {
	return &literalError{text + " is larger than 64 bits hold", nil}
}

// parseDecimal reads 42, 10ms, 1.5s, 1h30m.
func parseDecimal(text, digits string) (uint64, Unit, *literalError) {
	var sum uint64
	unit := UnitNone
	for rest := digits; rest != ""; {
		number := rest[:len(rest)-len(strings.TrimLeft(rest, "0123456789."))]
		rest = rest[len(number):]
		word := rest[:len(rest)-len(strings.TrimLeftFunc(rest, func(r rune) bool { return !strings.ContainsRune("0123456789.", r) }))]
		rest = rest[len(word):]

		times := uint64(1)
		partUnit := UnitNone
		if word != "" {
			var err *literalError
			if partUnit, times, err = parseUnit(text, number, word); err != nil {
				return 0, UnitNone, err
			}
		} else if strings.Contains(number, ".") {
			return 0, UnitNone, &literalError{
				text + " is not an integer, and there are no others",
				[]string{"a fraction needs a unit that makes it whole: 1.5ms, 0.5KiB"},
			}
		}
		// Several parts are a duration: 1h30m.
		if unit != UnitNone && (unit != UnitDuration || partUnit != UnitDuration) {
			return 0, UnitNone, &literalError{text + " is not a number", []string{"only durations have several parts: 1h30m"}}
		}
		unit = partUnit
		value, err := scale(text, number, times)
		if err != nil {
			return 0, UnitNone, err
		}
		var carry uint64
		if sum, carry = bits.Add64(sum, value, 0); carry != 0 {
			return 0, UnitNone, tooLarge(text)
		}
	}
	return sum, unit, nil
}

// parseUnit finds the unit called word behind number.
func parseUnit(text, number, word string) (Unit, uint64, *literalError) {
	for _, u := range units {
		if u.word == word {
			return u.unit, u.times, nil
		}
	}
	if strings.Trim(word, "uUlL") == "" {
		return 0, 0, cSuffix(text)
	}
	e := &literalError{fmt.Sprintf("%s has no unit of ours behind %s", text, number), nil}
	for _, u := range units {
		if strings.EqualFold(u.word, word) {
			e.hints = append(e.hints, fmt.Sprintf("did you mean %s%s?", number, u.word))
		}
	}
	switch strings.ToLower(word) {
	case "sec", "secs", "second", "seconds":
		e.hints = append(e.hints, fmt.Sprintf("did you mean %ss?", number))
	case "msec", "msecs", "millis":
		e.hints = append(e.hints, fmt.Sprintf("did you mean %sms?", number))
	case "usec", "usecs", "micros":
		e.hints = append(e.hints, fmt.Sprintf("did you mean %sus?", number))
	case "nsec", "nsecs", "nanos":
		e.hints = append(e.hints, fmt.Sprintf("did you mean %sns?", number))
	case "min", "mins":
		e.hints = append(e.hints, fmt.Sprintf("did you mean %sm?", number))
	case "d", "day", "days":
		e.hints = append(e.hints, "the longest unit is h: a day is 24h")
	}
	if len(e.hints) == 0 {
		e.hints = []string{"durations are ns us ms s m h, sizes B K M G T, KiB MiB GiB TiB (1024), kB MB GB TB (1000)"}
	}
	return 0, 0, e
}

// maxFraction is the most digits after the point that are read; more than any unit can make whole.
const maxFraction = 40

// scale multiplies a decimal number, perhaps a fraction, by a unit. The result must be whole.
func scale(text, number string, times uint64) (uint64, *literalError) {
	whole, fraction, point := strings.Cut(number, ".")
	if point && (whole == "" || fraction == "" || strings.Contains(fraction, ".") || len(fraction) > maxFraction) {
		return 0, &literalError{text + " is not a number", nil}
	}
	v, err := strconv.ParseUint(whole, 10, 64)
	if err != nil {
		if errors.Is(err, strconv.ErrRange) {
			return 0, tooLarge(text)
		}
		return 0, &literalError{text + " is not a number", nil}
	}
	high, low := bits.Mul64(v, times)
	if high != 0 {
		return 0, tooLarge(text)
	}
	if !point {
		return low, nil
	}
	// fraction * times / 10^digits, exactly.
	f, ok := new(big.Int).SetString(fraction, 10)
	if !ok {
		return 0, &literalError{text + " is not a number", nil}
	}
	f.Mul(f, new(big.Int).SetUint64(times))
	part, rest := f.QuoRem(f, new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(len(fraction))), nil), new(big.Int))
	if rest.Sign() != 0 {
		return 0, &literalError{text + " is not a whole number of its smallest unit", []string{"durations are whole ns, sizes whole bytes"}}
	}
	sum, carry := bits.Add64(low, part.Uint64(), 0)
	if carry != 0 {
		return 0, tooLarge(text)
	}
	return sum, nil
}

// unescape resolves the escapes of a quoted text, given without its quotes. Escapes are C's. at is where a wrong one begins.
func unescape(text string) (value string, at int, err *literalError) {
	if strings.IndexByte(text, '\\') < 0 {
		return text, 0, nil
	}
	var b strings.Builder
	for i := 0; i < len(text); {
		c := text[i]
		if c != '\\' {
			b.WriteByte(c)
			i++
			continue
		}
		rest := text[i+1:]
		if rest == "" {
			return "", i, &literalError{"a backslash stands before nothing", nil}
		}
		if plain := strings.IndexByte(`abfnrtv\"'?`, rest[0]); plain >= 0 {
			b.WriteByte("\a\b\f\n\r\t\v\\\"'?"[plain])
			i += 2
			continue
		}
		digits, base := "", 0
		switch {
		case rest[0] == 'x':
			digits, base = prefixOf(rest[1:], "0123456789abcdefABCDEF", 2), 16
			i += 2 + len(digits)
		case rest[0] >= '0' && rest[0] <= '7':
			digits, base = prefixOf(rest, "01234567", 3), 8
			i += 1 + len(digits)
		}
		v, parseErr := strconv.ParseUint(digits, max(base, 2), 8)
		if parseErr != nil {
			start := len(text) - len(rest) - 1
			return "", start, &literalError{
				fmt.Sprintf("\\%s is not an escape", firstRune(rest)),
				[]string{`escapes are \n \t \r \a \b \f \v \\ \" \' \? \xHH \NNN; a backslash itself is \\`},
			}
		}
		b.WriteByte(byte(v))
	}
	return b.String(), 0, nil
}

// prefixOf returns the beginning of text that consists of chars, at most n bytes of it.
func prefixOf(text, chars string, n int) string {
	i := 0
	for i < len(text) && i < n && strings.IndexByte(chars, text[i]) >= 0 {
		i++
	}
	return text[:i]
}

// firstRune is the first rune of text, as text.
func firstRune(text string) string {
	for _, r := range text {
		return string(r)
	}
	return ""
}

// Quote writes value as a literal that reads back the same.
func Quote(value string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := 0; i < len(value); {
		r, size := utf8.DecodeRuneInString(value[i:])
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == utf8.RuneError && size == 1 || !unicode.IsPrint(r):
			// Three octal digits end by themselves; a hexadecimal escape could take in what follows it.
			for _, c := range []byte(value[i : i+size]) {
				fmt.Fprintf(&b, `\%03o`, c)
			}
		default:
			b.WriteString(value[i : i+size])
		}
		i += size
	}
	b.WriteByte('"')
	return b.String()
}

// Unquote reads the text in double quotes that rest begins with, and returns its value and its length with the quotes.
func Unquote(rest string) (value string, length int, err error) {
	length, closed := quotedLength(rest, '"')
	if !closed {
		return "", 0, errors.New("this text has no closing quote")
	}
	value, _, wrong := unescape(rest[1 : length-1])
	if wrong != nil {
		return "", 0, wrong
	}
	return value, length, nil
}

package table

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"probetape/analyze/report"
)

// plain writes a foreign text so that a terminal shows it and does nothing else: control characters, and those that reorder or hide text,
// are escaped.
func plain(s string) string {
	clean := true
	for _, r := range s {
		if hidden(r) {
			clean = false
			break
		}
	}
	if clean {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == '\r':
			b.WriteString(`\r`)
		case hidden(r) && r < utf8.RuneSelf:
			fmt.Fprintf(&b, `\x%02x`, r)
		case hidden(r):
			fmt.Fprintf(&b, `\u{%x}`, r)
		default:
			b.WriteRune(r)
		}
		i += size
	}
	return b.String()
}

// hidden reports whether a character does something else than to be seen. Format characters hold the marks that turn the direction of text.
func hidden(r rune) bool {
	return r == utf8.RuneError || unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Co, unicode.Cs, unicode.Zl, unicode.Zp)
}

// maxCell is the longest text of a cell, in characters.
const maxCell = 60

// cell is a foreign text as a cell of a table, cut where it is long.
func cell(s string) string { return cut(plain(s), maxCell) }

func cut(s string, most int) string {
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	runes := []rune(s)
	return string(runes[:most-3]) + "..."
}

// number writes a whole number with its thousands apart.
func number(n uint64) string {
	digits := strconv.FormatUint(n, 10)
	if len(digits) <= 3 {
		return digits
	}
	var b strings.Builder
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(d)
	}
	return b.String()
}

func plural(n uint64, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return number(n) + " " + one + "s"
}

// rate writes a number of events a second.
func rate(v float64) string {
	switch {
	case v == 0:
		return "-"
	case v >= 100:
		return number(uint64(v + 0.5))
	}
	return strconv.FormatFloat(v, 'g', 3, 64)
}

// duration writes a length of time, "-" where there is none.
func duration(ns *int64) string {
	if ns == nil {
		return "-"
	}
	return span(*ns)
}

// span writes a length of time with three digits.
func span(ns int64) string {
	if ns < 0 {
		return "-" + span(max(-ns, 0))
	}
	d := time.Duration(ns)
	switch {
	case ns < 1000:
		return strconv.FormatInt(ns, 10) + "ns"
	case ns < 999_500:
		return digits(float64(ns)/1e3) + "us"
	case ns < 999_500_000:
		return digits(float64(ns)/1e6) + "ms"
	case d < time.Minute:
		return digits(float64(ns)/1e9) + "s"
	case d < time.Hour:
		d = d.Round(time.Second)
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	}
	d = d.Round(time.Minute)
	return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
}

// digits writes a number with three digits.
func digits(v float64) string {
	switch {
	case v >= 99.95:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case v >= 9.995:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(v, 'f', 2, 64)
}

// size writes a number of bytes.
func size(n uint64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"}
	v, u := float64(n), 0
	for v >= 1024 && u < len(units)-1 {
		v /= 1024
		u++
	}
	if u == 0 {
		return strconv.FormatUint(n, 10) + " B"
	}
	return digits(v) + " " + units[u]
}

// lost writes what a row lacks: as a bound where not all of it is known to be the row's.
func lost(l report.Loss) string {
	text := number(l.Lost)
	if l.Lost > 0 && !l.LostExact {
		text = "<=" + text
	}
	if l.Missed > 0 {
		text += " +" + number(l.Missed) + " missed"
	}
	if l.Lost == 0 && l.Missed == 0 && l.Incomplete {
		text = "?"
	}
	return text
}

// moment writes a time to the second, for a person.
func moment(t report.Time) string {
	if !t.Known {
		return "?"
	}
	return time.Unix(0, t.NS).UTC().Format("2006-01-02 15:04:05 UTC")
}

// clockTime writes a time of day to the millisecond.
func clockTime(t report.Time) string {
	if !t.Known {
		return "?"
	}
	return time.Unix(0, t.NS).UTC().Format("15:04:05.000")
}

func percent(share float64) string { return strconv.FormatFloat(100*share, 'f', 1, 64) + " %" }

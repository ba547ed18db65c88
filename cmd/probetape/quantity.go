package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// byteUnits are the suffixes of sizes. K, M and G are powers of 1024, as in most of the system's tools; kB, MB and GB are powers of 1000.
var byteUnits = []struct {
	suffix string
	bytes  int64
}{
	{"kib", 1 << 10}, {"mib", 1 << 20}, {"gib", 1 << 30}, {"tib", 1 << 40},
	{"kb", 1e3}, {"mb", 1e6}, {"gb", 1e9}, {"tb", 1e12},
	{"k", 1 << 10}, {"m", 1 << 20}, {"g", 1 << 30}, {"t", 1 << 40}, {"b", 1},
}

// parseSize reads a number of bytes such as 64MiB, 1.5G or 4096.
func parseSize(flag, text string) (int64, error) {
	number, unit := strings.ToLower(strings.TrimSpace(text)), int64(1)
	for _, u := range byteUnits {
		if n, ok := strings.CutSuffix(number, u.suffix); ok {
			number, unit = strings.TrimSpace(n), u.bytes
			break
		}
	}
	v, err := strconv.ParseFloat(number, 64)
	if err != nil || math.IsNaN(v) || v <= 0 || v*float64(unit) > math.MaxInt64/2 || v*float64(unit) < 1 {
		return 0, usagef("sizes are written 64MiB, 1GiB or 4096", "%s: %q is not a size", flag, text)
	}
	return int64(v * float64(unit)), nil
}

// parseSpan reads a length of time such as 60s, 1m30s or 500ms. A bare number has no unit, and guessing one would be wrong for somebody.
func parseSpan(flag, text string) (time.Duration, error) {
	text = strings.TrimSpace(text)
	if _, err := strconv.ParseFloat(text, 64); err == nil {
		return 0, usagef(fmt.Sprintf("with a unit: %s %ss for seconds, %sm for minutes", flag, text, text), "%s: %q has no unit", flag, text)
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, usagef("lengths of time are written 500ms, 60s or 1h30m", "%s: %q is not a length of time", flag, text)
	}
	if d <= 0 {
		return 0, usagef("a length of time is above zero: "+flag+" 60s", "%s: %q is not above zero", flag, text)
	}
	return d, nil
}

// parsePIDs reads process ids from comma and space lists.
func parsePIDs(lists []string) ([]uint32, error) {
	var pids []uint32
	seen := map[uint32]bool{}
	for _, list := range lists {
		words := strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' || r == '\n' })
		if len(words) == 0 {
			return nil, usagef("probetape record -p 42,43; an empty list often comes from a pgrep that found nothing", "-p: no process id in %q", list)
		}
		for _, word := range words {
			id, err := strconv.ParseUint(word, 10, 31)
			if err != nil || id == 0 {
				return nil, notPID(word)
			}
			if !seen[uint32(id)] {
				seen[uint32(id)] = true
				pids = append(pids, uint32(id))
			}
		}
	}
	return pids, nil
}

func notPID(word string) error {
	hint := "process ids are numbers above 0; ps -e lists them"
	if strings.IndexFunc(word, func(r rune) bool { return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' }) == 0 {
		hint = fmt.Sprintf("by name: -p \"$(pgrep -d, %s)\"", word)
	}
	return usagef(hint, "-p: %q is not a process id", word)
}

// sizeWords writes a number of bytes for a person.
func sizeWords(n int64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	v, u := float64(n), 0
	for v >= 1024 && u < len(units)-1 {
		v /= 1024
		u++
	}
	if u == 0 {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %s", v, units[u])
}

// countWords writes a whole number with its thousands apart.
func countWords(n uint64) string {
	digits := strconv.FormatUint(n, 10)
	var b strings.Builder
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(d)
	}
	return b.String()
}

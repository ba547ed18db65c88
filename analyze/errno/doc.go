// Package errno names the errors of Linux on x86-64. The analysing host has other numbers where it is another system, so it is not asked.
//
// It imports the standard library only.
package errno

import "strconv"

// Error is one error number's name and meaning.
type Error struct{ Name, Text string }

// Name returns the symbolic name of an error number, such as ENOENT; its number where it has none.
func Name(n uint16) string {
	if int(n) < len(table) && table[n].Name != "" {
		return table[n].Name
	}
	return "E" + strconv.Itoa(int(n))
}

// Text says what an error means, "" where the number has no meaning.
func Text(n uint16) string {
	if int(n) < len(table) {
		return table[n].Text
	}
	return ""
}

// Number returns the error number of a name.
func Number(name string) (uint16, bool) {
	for n := range table {
		if n > 0 && table[n].Name == name {
			return uint16(n), true
		}
	}
	return 0, false
}

package resolve

import "strings"

// isGlob reports whether a name stands for all that it matches: * for any letters, ? for one.
func isGlob(s string) bool { return strings.ContainsAny(s, "*?") }

// matchGlob reports whether a name, or a text, is what a glob describes.
func matchGlob(p, s string) bool {
	if !isGlob(p) {
		return p == s
	}
	px, sx, star, back := 0, 0, -1, 0
	for sx < len(s) {
		switch {
		case px < len(p) && p[px] == '*':
			star, back = px, sx
			px++
		case px < len(p) && (p[px] == '?' || p[px] == s[sx]):
			px++
			sx++
		case star >= 0:
			back++
			px, sx = star+1, back
		default:
			return false
		}
	}
	for px < len(p) && p[px] == '*' {
		px++
	}
	return px == len(p)
}

package expr

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// TokenKind is the kind of a token.
type TokenKind uint8

// The kinds of tokens.
const (
	TokenEnd    TokenKind = iota // the end of the text
	TokenName                    // a word of letters, digits and _
	TokenInt                     // Value and Unit
	TokenString                  // Value is in Token.Text
	TokenSymbol                  // an operator or a bracket
	TokenBad                     // was reported
)

// Token is one word or symbol of a text.
type Token struct {
	Span
	Kind    TokenKind
	Text    string // of a string its value, of everything else as written
	Value   uint64 // of an integer
	Unit    Unit
	NewLine bool // it is the first of its line
}

// Is reports whether the token is the symbol.
func (t *Token) Is(symbol string) bool { return t.Kind == TokenSymbol && t.Text == symbol }

// IsName reports whether the token is the word.
func (t *Token) IsName(word string) bool { return t.Kind == TokenName && t.Text == word }

// lexer cuts a source into tokens. It never fails: what is no token is reported and given as TokenBad, or as what it seems to mean.
type lexer struct {
	src   *Source
	pos   Pos
	quiet bool // looking ahead: report nothing
	out   *reports
}

// reports are the diagnostics of a source, and which habits of other languages were mentioned already: once is enough.
type reports struct {
	list     Diagnostics
	comments bool
	spaces   bool
	bytes    bool

	commentEnd int // the last */ of the text, -1: none
}

// maxReports bounds the work on a hostile text. Far more than MaxDiagnostics, since they are sorted only later.
const maxReports = 200

func (r *reports) add(d Diagnostic) {
	if len(r.list) < maxReports {
		r.list = append(r.list, d)
	}
}

func (l *lexer) error(at Node, message string, hints ...string) {
	if !l.quiet {
		l.out.add(l.src.Error(at, message, hints...))
	}
}

// rest is what is not read yet.
func (l *lexer) rest() string { return l.src.Text[l.pos.Offset:] }

// advance moves over n bytes.
func (l *lexer) advance(n int) { l.pos = l.src.advance(l.pos, l.pos.Offset+n) }

// ahead is the span of the next n bytes.
func (l *lexer) ahead(n int) Span { return l.src.Span(l.pos, n) }

const byteOrderMark = "\ufeff"

// space moves over white space and comments, and reports whether a line ended in it.
func (l *lexer) space() (newLine bool) {
	if l.pos.Offset == 0 {
		newLine = true
		if strings.HasPrefix(l.rest(), byteOrderMark) {
			l.pos.Offset += len(byteOrderMark) // no column: editors do not show it
		}
	}
	for {
		rest := l.rest()
		n := len(rest) - len(strings.TrimLeft(rest, " \t\r\n\f\v"))
		newLine = newLine || strings.IndexByte(rest[:n], '\n') >= 0
		l.advance(n)
		rest = rest[n:]
		switch {
		case strings.HasPrefix(rest, "#"):
			l.advance(lineLength(rest))
		case strings.HasPrefix(rest, "//"):
			n := lineLength(rest)
			l.comment(l.ahead(n))
			l.advance(n)
		case strings.HasPrefix(rest, "/*") && l.out.commentEnd >= l.pos.Offset+2:
			// Without the end of a comment it is a division by, or a filter that begins with, what a pointer points at.
			n := 2 + strings.Index(rest[2:], "*/") + 2
			l.comment(l.ahead(n))
			newLine = newLine || strings.IndexByte(rest[:n], '\n') >= 0
			l.advance(n)
		case strings.HasPrefix(rest, "\u00a0"):
			at := l.ahead(len("\u00a0"))
			if !l.quiet && !l.out.spaces {
				l.out.spaces = true
				l.error(at, "a no-break space is not white space here", "replace it by a plain space; word processors and web pages put them there")
			}
			l.advance(len("\u00a0"))
		default:
			return newLine
		}
	}
}

func (l *lexer) comment(at Span) {
	if !l.quiet && !l.out.comments {
		l.out.comments = true
		l.error(at, "comments begin with #", "# goes to the end of the line; there is no other form")
	}
}

// lineLength is the length of text's first line without its end.
func lineLength(text string) int {
	if i := strings.IndexByte(text, '\n'); i >= 0 {
		return i
	}
	return len(text)
}

// symbols, longer ones before their beginnings.
var symbols = [...]string{
	"<<", ">>", "<=", ">=", "==", "!=", "!~", "&&", "||", "->",
	"+", "-", "*", "/", "%", "<", ">", "!", "~", "&", "^", "|", "?", ":", "=",
	"(", ")", "[", "]", "{", "}", ",", ";", ".", "@", "$",
}

// lookalikes are signs that word processors and web pages make of plain ones.
var lookalikes = [...]struct{ sign, plain string }{
	{"≥", ">="}, {"≤", "<="}, {"≠", "!="}, {"–", "-"}, {"—", "-"}, {"−", "-"}, {"×", "*"}, {"÷", "/"}, {"→", "->"}, {"∧", "&&"}, {"∨", "||"}, {"¬", "!"},
}

// next cuts the next token.
func (l *lexer) next() Token {
	newLine := l.space()
	rest := l.rest()
	if rest == "" {
		return Token{Span: Span{l.pos, l.pos}, Kind: TokenEnd, NewLine: newLine}
	}
	t := l.cut(rest)
	t.NewLine = newLine
	l.pos = t.To
	return t
}

// cut makes a token of the beginning of rest, which is not empty.
func (l *lexer) cut(rest string) Token {
	switch c := rest[0]; {
	case isLetter(c):
		n := 1
		for n < len(rest) && (isLetter(rest[n]) || isDigit(rest[n])) {
			n++
		}
		return Token{Span: l.ahead(n), Kind: TokenName, Text: rest[:n]}
	case isDigit(c):
		return l.number(rest)
	case c == '"':
		return l.text(rest)
	case c == '\'':
		return l.char(rest)
	}
	for _, s := range symbols {
		if strings.HasPrefix(rest, s) {
			return Token{Span: l.ahead(len(s)), Kind: TokenSymbol, Text: s}
		}
	}
	for _, s := range lookalikes {
		if strings.HasPrefix(rest, s.sign) {
			at := l.ahead(len(s.sign))
			l.error(at, fmt.Sprintf("%s is not an operator", s.sign), "write "+s.plain)
			return Token{Span: at, Kind: TokenSymbol, Text: s.plain}
		}
	}
	if n, closing := openingQuote(rest); n > 0 {
		return l.curly(rest, n, closing)
	}
	r, size := utf8.DecodeRuneInString(rest)
	at := l.ahead(size)
	if r == utf8.RuneError && size == 1 {
		if !l.quiet && !l.out.bytes {
			l.out.bytes = true
			l.error(at, fmt.Sprintf("byte %#02x is not text: probe text is UTF-8", rest[0]))
		}
		return Token{Span: at, Kind: TokenBad, Text: rest[:size]}
	}
	l.error(at, fmt.Sprintf("%q means nothing here", r))
	return Token{Span: at, Kind: TokenBad, Text: rest[:size]}
}

func isLetter(c byte) bool { return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }
func isDigit(c byte) bool  { return c >= '0' && c <= '9' }

// number cuts an integer with its unit.
func (l *lexer) number(rest string) Token {
	n := 1
	for n < len(rest) {
		switch c := rest[n]; {
		case isLetter(c) || isDigit(c):
			n++
			continue
		case c == '.' && n+1 < len(rest) && isDigit(rest[n+1]):
			n++
			continue
		case strings.HasPrefix(rest[n:], "µ") || strings.HasPrefix(rest[n:], "μ"):
			n += len("µ")
			continue
		}
		break
	}
	t := Token{Span: l.ahead(n), Kind: TokenInt, Text: rest[:n]}
	value, unit, err := parseInt(t.Text)
	if err != nil {
		l.error(t.Span, err.message, err.hints...)
		t.Kind = TokenBad
		return t
	}
	t.Value, t.Unit = value, unit
	return t
}

// text cuts a text in double quotes.
func (l *lexer) text(rest string) Token {
	n, closed := quotedLength(rest, '"')
	t := Token{Span: l.ahead(n), Kind: TokenString}
	if !closed {
		l.error(Span{l.pos, l.ahead(1).To}, "this text has no closing quote", `write "..." on one line; a quote in it is \"`)
		t.Kind, t.Text = TokenBad, rest[:n]
		return t
	}
	l.value(&t, rest[1:n-1])
	return t
}

// value resolves the escapes of a quoted token.
func (l *lexer) value(t *Token, inner string) {
	value, at, err := unescape(inner)
	if err != nil {
		l.error(l.within(1+at, 2), err.message, err.hints...)
		value = inner
	}
	t.Text = value
}

// within is the span of n bytes from the offset on, seen from the current position, as far as there are.
func (l *lexer) within(offset, n int) Span {
	from := l.ahead(offset).To
	to := l.ahead(min(offset+n, len(l.rest()))).To
	return Span{from, to}
}

// quotedLength is the length of a quoted text with its quotes, and whether it is closed on its line.
func quotedLength(rest string, quote byte) (n int, closed bool) {
	for n = 1; n < len(rest) && rest[n] != '\n'; n++ {
		switch rest[n] {
		case quote:
			return n + 1, true
		case '\\':
			if n+1 < len(rest) && rest[n+1] != '\n' {
				n++
			}
		}
	}
	return n, false
}

// char cuts a character: 'a'. Of several, which are meant as a text, it makes one.
func (l *lexer) char(rest string) Token {
	n, closed := quotedLength(rest, '\'')
	t := Token{Span: l.ahead(n)}
	if !closed {
		l.error(Span{l.pos, l.ahead(1).To}, "this character has no closing quote", `a character is 'a', a text is "abc"`)
		t.Kind, t.Text = TokenBad, rest[:n]
		return t
	}
	l.value(&t, rest[1:n-1])
	if len(t.Text) == 1 {
		t.Kind, t.Value, t.Text = TokenInt, uint64(t.Text[0]), rest[:n]
		return t
	}
	l.error(t.Span, "a text stands in double quotes", "write "+Quote(t.Text))
	t.Kind = TokenString
	return t
}

// openingQuote reports whether rest begins with a typographic quote, its length, and the quotes that can close it.
func openingQuote(rest string) (n int, closing string) {
	for _, q := range [...]struct{ open, close string }{
		{"“", "”“\""}, {"„", "“”\""}, {"”", "”“\""}, {"‘", "’‘'"}, {"‚", "‘’'"}, {"’", "’‘'"}, {"«", "»"}, {"»", "«"}, {"`", "`"},
	} {
		if strings.HasPrefix(rest, q.open) {
			return len(q.open), q.close
		}
	}
	return 0, ""
}

// curly cuts a text in typographic quotes: it is not right, and clear.
func (l *lexer) curly(rest string, open int, closing string) Token {
	line := rest[:lineLength(rest)]
	end := strings.IndexAny(line[open:], closing)
	if end < 0 {
		at := l.ahead(open)
		l.error(at, "this quote is not a plain one", `a text stands between two "`)
		return Token{Span: l.ahead(len(line)), Kind: TokenBad, Text: line}
	}
	inner := line[open : open+end]
	_, size := utf8.DecodeRuneInString(line[open+end:])
	t := Token{Span: l.ahead(open + end + size), Kind: TokenString, Text: inner}
	l.error(t.Span, "a text stands in plain double quotes", "write "+Quote(inner))
	return t
}

package expr

import (
	"strings"
	"unicode/utf8"
)

// Source is a text that is parsed, with the name it has in messages: a file's path, a flag, "kit files". Sources of one program have
// different names.
type Source struct {
	Name string
	Text string
	Kit  string // the ready-made program that it is; empty: none
}

// Pos is a place in a source.
type Pos struct {
	Offset int // bytes from the beginning
	Line   int // from 1
	Col    int // from 1, in runes; a tab is one
}

// IsValid reports whether the position is one.
func (p Pos) IsValid() bool { return p.Line > 0 }

// Node is anything that has a place in a source: its first byte, and the byte after its last.
type Node interface {
	Pos() Pos
	End() Pos
}

// Span is a stretch of a source.
type Span struct {
	From, To Pos
}

// Pos returns where the span begins.
func (s Span) Pos() Pos { return s.From }

// End returns where it ends: the place after its last byte.
func (s Span) End() Pos { return s.To }

// At returns the position of a byte offset; offsets outside the text are moved to its nearest end.
func (s *Source) At(offset int) Pos {
	offset = min(max(offset, 0), len(s.Text))
	before := s.Text[:offset]
	start := strings.LastIndexByte(before, '\n') + 1
	return Pos{
		Offset: offset,
		Line:   1 + strings.Count(before, "\n"),
		Col:    1 + utf8.RuneCountInString(before[start:]),
	}
}

// Span returns the next length bytes from a position on, as far as there are.
func (s *Source) Span(from Pos, length int) Span {
	to := min(from.Offset+max(length, 0), len(s.Text))
	return Span{from, s.advance(from, to)}
}

// advance returns the position of an offset at or after from.
func (s *Source) advance(from Pos, to int) Pos {
	text := s.Text[from.Offset:to]
	if i := strings.LastIndexByte(text, '\n'); i >= 0 {
		from.Line += strings.Count(text, "\n")
		from.Col = 1
		text = text[i+1:]
	}
	from.Col += utf8.RuneCountInString(text)
	from.Offset = to
	return from
}

// lineAround returns the line that holds a position, without its end.
func (s *Source) lineAround(p Pos) string {
	offset := min(max(p.Offset, 0), len(s.Text))
	start := strings.LastIndexByte(s.Text[:offset], '\n') + 1
	line := s.Text[start:]
	if end := strings.IndexByte(line, '\n'); end >= 0 {
		line = line[:end]
	}
	return strings.TrimSuffix(line, "\r")
}

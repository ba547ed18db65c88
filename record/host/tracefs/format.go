package tracefs

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Place says where a field's bytes are.
type Place uint8

// The places.
const (
	Fixed   Place = iota // at Offset, Size bytes
	DataLoc              // at Offset a u32: low half the offset from the record's start, high half the length in bytes
	RelLoc               // as DataLoc, but the offset counts from the end of that u32 (Linux 5.17)
	Rest                 // at Offset, up to the record's end: a flexible array member
)

// Field is one member of a tracepoint's record.
type Field struct {
	Name   string
	Type   string // C type of the value, or of an array's elements, as the kernel writes it: "const char *", "pid_t", "u64"
	Place  Place
	Array  int // elements of a fixed array; 0: no array, or one of another Place
	Offset int // bytes from the record's start
	Size   int // bytes there: of the whole array, of the u32 for DataLoc and RelLoc, 0 for Rest
	Signed bool
}

// Format describes a tracepoint's record: a "format" file of tracefs, whose form is fixed by user space reading it since Linux 2.6.31.
type Format struct {
	Name   string
	ID     int     // what perf_event_open calls the tracepoint
	Common []Field // the fields that every record begins with
	Fields []Field
	Print  string // the format string and arguments, as they are
}

// maxFormat is more than any format file has (the largest of Linux 6.18 is 30 KiB).
const maxFormat = 1 << 20

// maxRecord is the most bytes of a record that an offset may point into: perf refuses larger ones (PERF_MAX_TRACE_SIZE is 8 KiB).
const maxRecord = 1 << 16

// ParseFormat reads a format file.
func ParseFormat(text string) (*Format, error) {
	if len(text) > maxFormat {
		return nil, fmt.Errorf("parsing tracepoint format: %d bytes; at most %d are read", len(text), maxFormat)
	}
	f := &Format{ID: -1}
	fields := &f.Common
	line := 0
	for text != "" {
		var row string
		row, text, _ = strings.Cut(text, "\n")
		line++
		key, value, _ := strings.Cut(strings.TrimSpace(row), ":")
		value = strings.TrimSpace(value)
		switch key {
		case "name":
			f.Name = value
		case "ID":
			id, err := strconv.ParseUint(value, 10, 31)
			if err != nil {
				return nil, fmt.Errorf("parsing tracepoint format: line %d: id %q is not a number", line, value)
			}
			f.ID = int(id)
		case "format":
		case "field":
			field, err := parseField(value)
			if err != nil {
				return nil, fmt.Errorf("parsing tracepoint format: line %d: %w", line, err)
			}
			*fields = append(*fields, field)
		case "print fmt":
			// The last line; format strings may hold line breaks.
			f.Print = strings.TrimRight(value+"\n"+text, "\n")
			text = ""
		case "":
			if len(f.Common) > 0 {
				fields = &f.Fields
			}
		default:
			return nil, fmt.Errorf("parsing tracepoint format: line %d: unknown key %q", line, key)
		}
	}
	if f.Name == "" || f.ID < 0 || len(f.Common) == 0 {
		return nil, errors.New("parsing tracepoint format: no name, ID or common fields")
	}
	return f, nil
}

// parseField reads what follows "field:": a C declaration, then offset, size and sign.
func parseField(text string) (Field, error) {
	declaration, rest, ok := strings.Cut(text, ";")
	if !ok {
		return Field{}, fmt.Errorf("field %q has no end", text)
	}
	f, err := parseDeclaration(declaration)
	if err != nil {
		return f, err
	}
	f.Offset, f.Size = -1, -1
	for part := range strings.SplitSeq(rest, ";") {
		key, value, _ := strings.Cut(strings.TrimSpace(part), ":")
		if key == "" {
			continue
		}
		n, err := strconv.ParseUint(value, 10, 31)
		if err != nil {
			return f, fmt.Errorf("field %q: %s %q is not a number", f.Name, key, value)
		}
		switch key {
		case "offset":
			f.Offset = int(n)
		case "size":
			f.Size = int(n)
		case "signed":
			f.Signed = n != 0
		}
	}
	if f.Offset < 0 || f.Size < 0 || f.Offset+f.Size > maxRecord {
		return f, fmt.Errorf("field %q: offset %d and size %d are not inside a record", f.Name, f.Offset, f.Size)
	}
	if (f.Place == DataLoc || f.Place == RelLoc) && f.Size != 4 {
		return f, fmt.Errorf("field %q: the place of a dynamic array has 4 bytes, not %d", f.Name, f.Size)
	}
	return f, nil
}

// parseDeclaration reads "TYPE NAME", "TYPE NAME[N]", "TYPE NAME[]" and "__data_loc TYPE[] NAME".
func parseDeclaration(text string) (Field, error) {
	var f Field
	declaration := strings.TrimSpace(text)
	for _, loc := range []struct {
		word  string
		place Place
	}{{"__data_loc ", DataLoc}, {"__rel_loc ", RelLoc}} {
		if rest, ok := strings.CutPrefix(declaration, loc.word); ok {
			declaration, f.Place = rest, loc.place
		}
	}
	end := len(declaration)
	if f.Place == Fixed && strings.HasSuffix(declaration, "]") {
		open := strings.LastIndexByte(declaration, '[')
		if open < 0 {
			return f, fmt.Errorf("declaration %q has no name", text)
		}
		count := declaration[open+1 : end-1]
		if count == "" {
			f.Place = Rest
		} else if n, err := strconv.ParseUint(count, 0, 16); err == nil {
			f.Array = int(n)
		}
		// A count that is no number is a macro's name: the size then says how many bytes there are.
		end = open
	}
	start := end
	for start > 0 && isWord(declaration[start-1]) {
		start--
	}
	f.Name = declaration[start:end]
	f.Type = strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(declaration[:start]), "[]"))
	if f.Name == "" || f.Type == "" {
		return f, fmt.Errorf("declaration %q has no type or no name", text)
	}
	return f, nil
}

func isWord(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

package schemas

import "fmt"

// ColumnType is the type of a field's values. Its numbers are on disk and never change meaning.
type ColumnType uint8

// The column types.
const (
	TypeBool ColumnType = iota + 1
	TypeI8
	TypeI16
	TypeI32
	TypeI64
	TypeU8
	TypeU16
	TypeU32
	TypeU64
	TypeString  // bytes up to the first NUL; usually, not always, UTF-8
	TypeBytes   // as they are
	TypeStackID // u32 into the stacks table
	TypeEnum    // i64 with the names in Field.Enum
	typeEnd
)

var typeNames = [typeEnd]string{
	TypeBool: "bool", TypeI8: "i8", TypeI16: "i16", TypeI32: "i32", TypeI64: "i64",
	TypeU8: "u8", TypeU16: "u16", TypeU32: "u32", TypeU64: "u64",
	TypeString: "string", TypeBytes: "bytes", TypeStackID: "stack", TypeEnum: "enum",
}

// String returns the type's name in plans, schemas and docs.
func (t ColumnType) String() string {
	if t > 0 && t < typeEnd {
		return typeNames[t]
	}
	return fmt.Sprintf("type(%d)", uint8(t))
}

// MarshalText writes the type's name.
func (t ColumnType) MarshalText() ([]byte, error) {
	if t == 0 || t >= typeEnd {
		return nil, fmt.Errorf("writing column type %d: not a type", uint8(t))
	}
	return []byte(t.String()), nil
}

// UnmarshalText reads a type's name.
func (t *ColumnType) UnmarshalText(text []byte) error {
	for i := ColumnType(1); i < typeEnd; i++ {
		if typeNames[i] == string(text) {
			*t = i
			return nil
		}
	}
	return fmt.Errorf("reading column type: %q is not a type", text)
}

// Size returns the width in bytes of a fixed-width value on the wire and on disk, 0 for strings and bytes.
func (t ColumnType) Size() int {
	switch t {
	case TypeBool, TypeI8, TypeU8:
		return 1
	case TypeI16, TypeU16:
		return 2
	case TypeI32, TypeU32, TypeStackID:
		return 4
	case TypeI64, TypeU64, TypeEnum:
		return 8
	}
	return 0
}

// Signed reports whether the type's integers are signed.
func (t ColumnType) Signed() bool {
	return t == TypeI8 || t == TypeI16 || t == TypeI32 || t == TypeI64 || t == TypeEnum
}

// Text reports whether values are byte strings (TypeString, TypeBytes).
func (t ColumnType) Text() bool { return t == TypeString || t == TypeBytes }

// Display says how a number is shown to a person; it changes no value.
type Display string

// The displays.
const (
	DisplayDecimal Display = ""
	DisplayHex     Display = "hex"
	DisplayPointer Display = "pointer" // hex, and by its symbol where the capture holds one
	DisplayErrno   Display = "errno"   // a return value: -4095..-1 by the error's name
	DisplayTime    Display = "time"    // ns of the boot clock
	DisplayNanos   Display = "ns"      // a duration in ns
)

// EnumValue names one value of an enum.
type EnumValue struct {
	Value int64  `json:"value"`
	Name  string `json:"name"`
}

// Field is one column that a probe statement captures.
type Field struct {
	Name    string      `json:"name"`
	Type    ColumnType  `json:"type"`
	MaxLen  int         `json:"max_len,omitempty"` // strings and bytes: the most that is kept, in bytes
	Display Display     `json:"display,omitempty"`
	Enum    []EnumValue `json:"enum,omitempty"`
	AtExit  bool        `json:"at_exit,omitempty"` // call tables: read when the call returns (it needs retval or duration)
}

// Column holds one field's values of a batch. Integers of every width are widened to 64 bits: TypeU64 by its bits, TypeBool as 0
// and 1. A null's slot holds 0 or an empty string.
type Column struct {
	Ints []int64  // every type but strings and bytes
	Offs []uint32 // strings and bytes: len+1 offsets into Data
	Data []byte
	Null Bitmap // set: could not be read; nil where no value is null
	Cut  Bitmap // strings and bytes, set: the value was longer than MaxLen; nil where none was cut
}

// Bytes returns the value of row i of a string or bytes column. It is valid until the batch is reused.
func (c *Column) Bytes(i int) []byte { return c.Data[c.Offs[i]:c.Offs[i+1]] }

// Bitmap is a set of rows, bit i of word i/64.
type Bitmap []uint64

// Get reports whether row i is set. Rows beyond the bitmap are not.
func (b Bitmap) Get(i int) bool { return i>>6 < len(b) && b[i>>6]>>(i&63)&1 != 0 }

// Set adds row i and returns the bitmap, grown where needed.
func (b Bitmap) Set(i int) Bitmap {
	for i>>6 >= len(b) {
		b = append(b, 0)
	}
	b[i>>6] |= 1 << (i & 63)
	return b
}

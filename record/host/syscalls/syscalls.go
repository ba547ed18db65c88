package syscalls

import (
	_ "embed"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"probetape/schemas"
)

// Call is a system call.
type Call struct {
	Name   string // as in unistd.h, without __NR_
	Number int32
	Params []Param
	// Unknown says why the parameters are not known; nil: Params are all there are.
	Unknown error
}

// Param is a parameter of a system call. All are passed as 64-bit words (i386: as 32-bit words, extended with zeros).
type Param struct {
	Name string
	Type string // in C, as the calling ABI sees it: "const char *", "unsigned int"
}

// Why parameters are not known.
var (
	ErrNeverBuilt = errors.New("no kernel that is known of implements it")
	ErrOtherABI   = errors.New("its parameters differ between programs of 32 and 64 bits and are described for the latter only")
)

//go:embed x86_64.tbl
var tableX8664 string

//go:embed i386.tbl
var tableI386 string

// Table returns the calls of an ABI by name. The result is shared and must not be changed; an unknown ABI has none.
func Table(abi schemas.ABI) []Call {
	switch abi {
	case schemas.ABIx8664:
		return nativeCalls()
	case schemas.ABIi386:
		return compatCalls()
	}
	return nil
}

var (
	nativeCalls = sync.OnceValue(func() []Call { return mustParse(tableX8664, ErrNeverBuilt) })
	compatCalls = sync.OnceValue(func() []Call { return mustParse(tableI386, ErrOtherABI) })
)

// mustParse reads an embedded table; a test reads it too, so it cannot be wrong here.
func mustParse(text string, unknown error) []Call {
	calls, err := parse(text, unknown)
	if err != nil {
		panic(err)
	}
	return calls
}

// parse reads lines of "NAME<tab>NUMBER<tab>TYPE NAME, TYPE NAME": no third part where there are no parameters, ? where they are not known.
func parse(text string, unknown error) ([]Call, error) {
	calls := make([]Call, 0, strings.Count(text, "\n"))
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if line == "" || line[0] == '#' {
			continue
		}
		name, rest, _ := strings.Cut(line, "\t")
		digits, params, _ := strings.Cut(rest, "\t")
		number, err := strconv.ParseInt(digits, 10, 32)
		if err != nil || name == "" {
			return nil, fmt.Errorf("reading the table of system calls: line %q", line)
		}
		c := Call{Name: name, Number: int32(number)}
		if params == "?" {
			c.Unknown = unknown
			params = ""
		}
		for params != "" {
			var p string
			p, params, _ = strings.Cut(params, ", ")
			end := strings.LastIndexByte(p, ' ')
			if end < 1 {
				return nil, fmt.Errorf("reading the table of system calls: parameter %q of %s", p, name)
			}
			c.Params = append(c.Params, Param{Type: p[:end], Name: p[end+1:]})
		}
		calls = append(calls, c)
	}
	return calls, nil
}

package resolve

import (
	"fmt"

	"github.com/cilium/ebpf/btf"

	"probetape/schemas"
)

// Host is what the checker asks about the machine that will be recorded.
//
// Every method may be called often: a host keeps what it has read. Results are the host's own and are not changed. Lists are complete and
// sorted by name.
//
// What does not exist is an error that wraps fs.ErrNotExist: for one thing (a tracepoint, a binary) that there is none of that name, for
// a list that the host has nothing of the kind (no tracefs, no BTF). What may not be read wraps fs.ErrPermission. Either is wrapped by an
// *AccessError where a person must know which file it was. The checker never takes the second for the first: it says that it could not
// look.
type Host interface {
	// Tracepoints lists the tracepoints of tracefs by category and name.
	Tracepoints() ([]Tracepoint, error)
	// Format returns the layout of a tracepoint's record (events/CATEGORY/NAME/format).
	Format(category, name string) (*Format, error)
	// RawTracepoints lists the kernel's own tracepoints: those with a btf_trace_NAME type. Their arguments are that type's parameters
	// without the first.
	RawTracepoints() ([]RawTracepoint, error)
	// Syscalls lists the system calls of every ABI, sorted by ABI (x86_64 first) and name.
	Syscalls() ([]Syscall, error)

	// Types returns the types of the kernel (module "") or of a loaded module, whose spec is split from the kernel's.
	Types(module string) (*btf.Spec, error)
	// Modules lists the kernel's modules: loaded ones, and those that modprobe could load.
	Modules() ([]Module, error)
	// KernelFuncs lists the functions of kallsyms, of the kernel and its loaded modules. A name that several functions have (static ones of
	// different files) is there as often.
	KernelFuncs() ([]KernelFunc, error)

	// Binaries finds programs and libraries by a path, a glob of paths (* and ?; * does not cross a slash), a program's name (looked up in
	// PATH) or a library's name ("libc", "libc.so.6", looked up as the dynamic loader does). Links are resolved and each file is
	// there once; files that a glob matches and that are not ELF are left out.
	Binaries(name string) ([]Binary, error)
	// Candidates lists the names that could have been meant by a name that Binaries does not find: files beside the path,
	// programs of PATH, libraries.
	Candidates(name string) ([]string, error)
	// Symbols lists the functions that a binary's symbol tables define, those of a separate debug file included.
	Symbols(path string) ([]UserSymbol, error)
	// USDT lists a binary's statically defined probes (notes in .note.stapsdt). A probe at several places is there as often.
	USDT(path string) ([]USDT, error)
	// UserProto returns a function's parameters and result as its debug information (DWARF) describes them, expressed in BTF's types:
	// structs, unions, enums, pointers, arrays, typedefs, integers; what BTF cannot say is btf.Void.
	UserProto(path, symbol string) (*btf.FuncProto, error)
}

// AccessError says what of a host could not be read.
type AccessError struct {
	What string   // in words: "the tracepoints' formats"
	Path string   // which file
	Need string   // what would allow it, such as a capability; empty: not known
	Tips []string // what to do
	Err  error
}

func (e *AccessError) Error() string {
	if e.Path == "" {
		return fmt.Sprintf("reading %s: %v", e.What, e.Err)
	}
	return fmt.Sprintf("reading %s from %s: %v", e.What, e.Path, e.Err)
}

func (e *AccessError) Unwrap() error { return e.Err }

// Hints says what to do about it.
func (e *AccessError) Hints() []string {
	if e.Need == "" {
		return e.Tips
	}
	return append([]string{"needs " + e.Need}, e.Tips...)
}

// Tracepoint names one tracepoint of tracefs.
type Tracepoint struct {
	Category, Name string
}

// Format is the layout of a tracepoint's record, as its format file says it.
type Format struct {
	ID     uint64
	Fields []FormatField // the common_ fields included, in the file's order
}

// FormatField is one member of a tracepoint's record.
type FormatField struct {
	Name    string
	Type    string // C text without the name and without __data_loc or __rel_loc: "const char *", "char[16]", "unsigned long [6]", "char[]"
	Offset  int    // bytes from the record's start
	Size    int    // bytes
	Signed  bool
	Array   int  // elements of an array in the record; 0: none
	DataLoc bool // a word with the offset from the record's start (lower half) and the length (upper half) of a dynamic array
	RelLoc  bool // the same, the offset counted from behind the word
}

// RawTracepoint names one tracepoint of the kernel.
type RawTracepoint struct {
	Name   string
	Module string // empty: the kernel itself
}

// Syscall is a system call of one ABI.
type Syscall struct {
	Name   string
	ABI    schemas.ABI
	Number int32
	Params []Param // nil with ParamsErr: not readable; else at most six
	// ParamsErr says why the parameters are not known.
	ParamsErr error
}

// Param is a parameter of a system call.
type Param struct {
	Name string
	Type string // C text: "const char *", "umode_t"
}

// Module is a module of the kernel.
type Module struct {
	Name    string
	Loaded  bool
	Builtin bool // part of the kernel image
}

// KernelFunc is a function of the kernel or of a loaded module.
type KernelFunc struct {
	Name        string
	Module      string // empty: the kernel itself
	Address     uint64 // 0 where the kernel does not tell (kptr_restrict)
	Size        uint64 // up to the next symbol; 0: not known
	Notrace     bool   // known to be missing among the functions that ftrace can trace (available_filter_functions)
	Blacklisted bool   // no kprobe may be there (kprobes/blacklist)
}

// Binary is a program or library.
type Binary struct {
	Path      string    // links resolved
	BuildID   string    // hex; empty: it has none
	Static    bool      // no dynamic loader
	Go        bool      // made by the Go compiler
	Dwarf     bool      // it, or its debug file, describes functions and types
	Symtab    int       // functions defined in .symtab; -1: there is no such table (stripped)
	Dynsym    int       // functions defined in .dynsym; -1: there is no such table
	DebugFile string    // separate debug file that was found by build-id or debug link
	Text      []Segment // its executable parts
}

// Segment is a part of a binary that is loaded as it is in the file.
type Segment struct {
	Address, Offset, Size uint64 // virtual address in the file, file offset, bytes
}

// UserSymbol is a function of a binary.
type UserSymbol struct {
	Name    string
	Address uint64 // virtual address in the file
	Offset  uint64 // file offset: where a uprobe goes
	Size    uint64
	Dynamic bool // it is in .dynsym
	Local   bool // a static function
	IFunc   bool // STT_GNU_IFUNC: it chooses the implementation and is not the function that is called
}

// USDT is one place of a statically defined probe.
type USDT struct {
	Provider, Name string
	Offset         uint64 // file offset of the probe's instruction
	Semaphore      uint64 // file offset of its semaphore; 0: none
	Args           string // operands as the note has them: "-4@%edi 8@-16(%rbp)"
}

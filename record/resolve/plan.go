package resolve

import "probetape/schemas"

// Plan is a probe program checked against a host: everything the compiler needs, with no names left to look up. It is pure data.
type Plan struct {
	Statements []Statement
	Notes      []string // for the person: a kprobe that a tracepoint covers, sites left out and why
}

// Statement is one probe statement: one table, its sites, and what runs at each hit.
type Statement struct {
	Table schemas.Table
	Sites []Site
	Kind  schemas.ProbeKind // of all its sites; a statement with several kinds is several statements of one table

	// Filter decides at the entry (call probes) or the event whether to go on; nil: always.
	Filter *Expr
	// ExitFilter decides when a call returns: the part of the filter that needs retval or duration; nil: always.
	ExitFilter *Expr
	// Fields are the captured values, parallel to Table.Fields. Those with Table.Fields[i].AtExit are evaluated when a call returns,
	// the others at its entry; an entry text that could not be read is tried again at the return.
	Fields []*Expr

	Line int // where the statement begins in the probe text, for messages about it
	Text string
}

// Site is one place to attach to.
type Site struct {
	schemas.Site

	// Exprs are this site's own Filter and Fields where they differ from the statement's (a tracepoint field at another offset);
	// nil: the statement's.
	Own *SiteExprs

	RefCtrOffset uint64 // USDT: file offset of the semaphore, 0 none
	ArgCount     int    // argument slots of 8 bytes known for this site; -1 unknown
	Errno        bool   // calls: a return value in -4095..-1 is an error number. The same for all sites of a statement
}

// SiteExprs are a site's own expressions.
type SiteExprs struct {
	Filter, ExitFilter *Expr
	Fields             []*Expr
}

// Op is what an expression node does.
type Op uint8

// The operations. X, Y, Z are the operands; results have Expr.Type.
const (
	OpConst    Op = iota + 1 // Int
	OpText                   // Text: a string literal
	OpArg                    // argument Int of the probe (register or stack; system call or raw tracepoint argument), a u64
	OpRet                    // the return value, a u64
	OpDuration               // ns, a u64 (call probes, at exit)
	OpCtx                    // Size bytes at offset Int of the tracepoint's record
	OpCtxAddr                // address of offset Int of the tracepoint's record (an array member in it)
	OpDataLoc                // address of the dynamic array whose __data_loc word is at offset Int of the tracepoint's record
	OpDataLen                // its length in bytes
	OpPID
	OpTID
	OpUID
	OpGID
	OpCPU
	OpCgroup
	OpNsecs  // boot clock, ns
	OpComm   // text of at most 16 bytes
	OpKstack // a stack id
	OpUstack
	OpLoad  // Size bytes at address X + Int, user memory if User; a bit-field of BitSize bits from bit BitOff where BitSize > 0
	OpStr   // NUL-terminated text at address X, at most Y bytes (nil: Max) and Max bytes, user memory if User
	OpBuf   // Y bytes at address X, at most Max, user memory if User
	OpCast  // X to Type (width and signedness)
	OpNot   // !X
	OpNeg   // -X
	OpCompl // ~X
	OpAdd
	OpSub
	OpMul
	OpDiv // by zero: null
	OpMod
	OpShl
	OpShr // arithmetic when Type is signed
	OpAnd
	OpOr
	OpXor
	OpEq // integers, or two texts
	OpNe
	OpLt // signed when X's type is
	OpLe
	OpGt
	OpGe
	OpLand    // short-circuit
	OpLor     // short-circuit
	OpCond    // X ? Y : Z
	OpMatch   // text X against the glob Text (* and ?)
	OpOperand // USDT operand: see Operand
)

// TypeKind is the kind of an expression's value.
type TypeKind uint8

// The kinds of values in the kernel.
const (
	KindInt TypeKind = iota + 1
	KindBool
	KindString
	KindBuffer
	KindStack
)

// Type is an expression's type in the kernel.
type Type struct {
	Kind   TypeKind
	Size   int // integers: 1, 2, 4, 8
	Signed bool
	Max    int // strings and buffers: the most bytes
}

// Expr is a typed expression with every name resolved.
type Expr struct {
	Op      Op
	Type    Type
	X, Y, Z *Expr
	Int     int64
	Text    string
	Size    int  // OpLoad, OpCtx: bytes to load
	Max     int  // OpStr, OpBuf: the most bytes to keep
	User    bool // OpLoad, OpStr, OpBuf: X is an address of user memory
	Either  bool // OpLoad, OpStr, OpBuf, with User false: the address itself says whose it is, since the kernel's have the top bit set
	BitOff  int
	BitSize int
	Operand *Operand
	Line    int // position in the probe text, for the verifier's messages
	Col     int
}

// Operand is a USDT argument's place: size and sign, and a register, a constant or memory.
type Operand struct {
	Size   int
	Signed bool
	Const  bool
	Value  int64
	Base   string // register of the constant-less forms: rax, r8, ... ; rip too
	Index  string // empty: none
	Scale  int
	Mem    bool // memory at Value(Base, Index, Scale); else the register Base
	RegOff int  // byte offset within the register: 1 for ah, bh, ch, dh
}

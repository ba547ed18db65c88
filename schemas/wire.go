package schemas

import "unsafe"

// The wire between the BPF programs and the recorder. These structs are the one definition: bpf/src/wire.h is generated from them,
// and a test compares them with the BTF of the compiled objects. All members are naturally aligned with no hidden padding; byte order
// is the recording host's (little-endian).

// MaxSample is the most bytes that one perf sample carries, and that a per-CPU map value holds. Measured: a larger per-CPU value is
// refused with E2BIG (PCPU_MIN_UNIT_SIZE is 32 KiB), and a sample near 64 KiB is accepted and corrupts the stream.
const MaxSample = 32760

// MaxRecord is the most bytes that one record takes.
const MaxRecord = MaxSample - int(unsafe.Sizeof(WireBatch{}))

// MaxFields is the most fields that a statement captures: the null and cut masks are 32 bits wide.
const MaxFields = 32

// MaxTextLen is the longest string or buffer that a field keeps.
const MaxTextLen = 4096

// WireBatch opens a sample: Size bytes with this header, whole records one after another.
type WireBatch struct {
	Size  uint32 // bytes used, this header included; what follows in the sample is padding
	Flags uint32 // BatchSingle
	Seq   uint64 // counts the samples of one CPU; singles have numbers of their own
}

// BatchSingle marks a sample of one record that could not go into the CPU's batch, since it interrupted that batch's owner.
const BatchSingle = 1

// WireRecord opens each record.
type WireRecord struct {
	Size  uint16 // whole record, a multiple of 8
	Table uint16
	Site  uint32
	Time  uint64 // boot clock, ns: the event, or the call's start
	Task  uint64 // process id (tgid) << 32 | thread id, of the initial namespace
}

// WireCall follows WireRecord in records of call tables.
type WireCall struct {
	Duration uint64 // ns; 0 unless End is EndReturned
	Errno    uint16
	End      uint8
	Pad0     uint8
	Pad1     uint32
}

// WireFields opens the fields, in every record, also of tables without fields.
type WireFields struct {
	Null uint32 // bit i: field i could not be read
	Cut  uint32 // bit i: field i is longer than what was kept
}

// WireText stands in the fixed part for a string or bytes field; its bytes are at Off from the record's start.
type WireText struct {
	Off uint16
	Len uint16
}

// WireCounters is a site's value in the per-CPU counter map.
type WireCounters struct {
	Attempted     uint64 // records that the site wanted to send
	StartedBefore uint64 // returns of calls whose entry was before the recording
	MapFull       uint64 // entries that could not be remembered; they are in Attempted
	Skipped       uint64 // hits left out by design (the kernel's own uprobe system calls)
}

// Task events, on a perf buffer of their own, one per sample.
const (
	TaskFork   = 1 // TID was created by the current task
	TaskExec   = 2
	TaskRename = 3
	TaskExit   = 4
)

// WireTask is one task event.
type WireTask struct {
	Time   uint64 // boot clock, ns
	Start  uint64 // boot clock, ns: when the task was made (task_struct.start_boottime)
	Cgroup uint64 // id of its cgroup v2
	Kind   uint32
	PID    uint32 // thread group
	TID    uint32
	Parent uint32 // thread group of the parent
	UID    uint32
	OldTID uint32 // exec: the thread id that the task had before (exec from a thread gives it the leader's)
	Flags  uint32 // TaskFlag...
	Len    uint32 // bytes used of Exe
	Comm   [16]byte
	Exe    [256]byte // exec: the path as given to execve
}

// Flags of a task event.
const (
	TaskFlagTarget = 1 // the task is (fork: became) a target of the recording
	TaskFlagKernel = 2 // a kernel thread
)

// Layout says where a table's fields are in its records.
type Layout struct {
	Fixed int   // bytes up to the first text: headers and fixed part, a multiple of 8
	Max   int   // the most bytes a record can take, a multiple of 8
	Masks int   // offset of WireFields
	Offs  []int // of each field: its value, or its WireText
}

// LayoutOf lays out a table's records: WireRecord, WireCall for call tables, WireFields, then each field at its natural alignment in
// the order of the statement (a WireText for strings and bytes), then the texts.
func LayoutOf(t *Table) Layout {
	off := int(unsafe.Sizeof(WireRecord{}))
	if t.Call {
		off += int(unsafe.Sizeof(WireCall{}))
	}
	l := Layout{Masks: off, Offs: make([]int, len(t.Fields))}
	off += int(unsafe.Sizeof(WireFields{}))
	texts := 0
	for i, f := range t.Fields {
		size, align := f.Type.Size(), f.Type.Size()
		if f.Type.Text() {
			size, align = int(unsafe.Sizeof(WireText{})), 2
			texts += f.MaxLen
		}
		off = (off + align - 1) &^ (align - 1)
		l.Offs[i] = off
		off += size
	}
	l.Fixed = (off + 7) &^ 7
	l.Max = (l.Fixed + texts + 7) &^ 7
	return l
}

// SyscallSlots is the size of the maps that system calls index: numbers of the first ABI, of the second, and one for all others.
const (
	SyscallSlotsPerABI = 512
	SyscallSlots       = 2*SyscallSlotsPerABI + 1
)

// SyscallSlot returns the slot of a system call in those maps; numbers out of range share the last one.
func SyscallSlot(abi ABI, number int32) int {
	switch {
	case number < 0 || number >= SyscallSlotsPerABI:
	case abi == ABIx8664:
		return int(number)
	case abi == ABIi386:
		return SyscallSlotsPerABI + int(number)
	}
	return SyscallSlots - 1
}

// Package tracefs reads what the kernel says of its tracepoints: the list of them, and the format of each one's record.
//
// It imports the standard library only. It reads text files below a folder, so it is tested on any system from recorded trees.
package tracefs

package resolve_test

import (
	"testing"

	"probetape/record/compile"
	"probetape/record/resolve"
	"probetape/record/spec"
	"probetape/schemas/expr"
)

// ten is a program of ten statements with something of everything.
const ten = `
openat = syscall:openat /retval < 0/ { path = str(args.filename), flags = args.flags, retval = retval }
rw = syscall:read, syscall:write /duration > 1ms && args.count >= 4KiB/ { fd = args.fd, count = args.count, retval = retval }
other = syscall:*at { a = arg0, b = arg1, c = arg2, retval = retval }
switch = tracepoint:sched:sched_switch /args.prev_comm == "cat" || args.next_prio < 100/ { from = args.prev_comm, to = args.next_comm }
exec = tracepoint:sched:sched_process_exec { path = str(args.filename, 64), old = args.old_pid }
rt = rawtracepoint:sched_switch { prev = args.prev->comm, parent = args.prev->real_parent->tgid }
vfs = kcall:vfs_read, kcall:vfs_write { name = str(args.file->f_path.dentry->d_name.name), count = args.count, ret = retval }
all = kcall:vfs_* /duration > 10ms/ { ret = retval }
malloc = uprobe:libc:malloc { size = arg0, stack = ustack }
gc = usdt:libjvm.so:hotspot:gc__begin { full = arg0 }
`

// BenchmarkTenStatements is from text to programs that are ready to load.
func BenchmarkTenStatements(b *testing.B) {
	host := testHost(b, "linux-6.18")
	b.Run("parse", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, diags := spec.Parse(&expr.Source{Name: "ten", Text: ten}); diags.HasErrors() {
				b.Fatal(diags)
			}
		}
	})
	prog, diags := spec.Parse(&expr.Source{Name: "ten", Text: ten})
	if diags.HasErrors() {
		b.Fatal(diags)
	}
	b.Run("check", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if plan, diags := resolve.Check(prog, host, resolve.Options{}); plan == nil {
				b.Fatal(diags)
			}
		}
	})
	plan, diags := resolve.Check(prog, host, resolve.Options{})
	if plan == nil {
		b.Fatal(diags)
	}
	b.Run("compile", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := compile.Compile(plan, compile.Config{CPUs: 4, Features: kernels[1]}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("all", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			plan, diags := checkText(host, &expr.Source{Name: "ten", Text: ten})
			if plan == nil {
				b.Fatal(diags)
			}
			if _, err := compile.Compile(plan, compile.Config{CPUs: 4, Features: kernels[1]}); err != nil {
				b.Fatal(err)
			}
		}
	})
}

package resolve_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"probetape/schemas/expr"
)

// TestMeant measures how often the name that was meant is among those that are proposed, for slips of every kind, on a host with all of its
// names. It wants nine of ten; each miss is named.
func TestMeant(t *testing.T) {
	host := testHost(t, "linux-6.18")
	slips := []struct{ program, meant string }{
		// Kinds, which the parser knows.
		{"sycall:read", "syscall"},
		{"tracpoint:sched:sched_switch", "tracepoint"},
		{"uporbe:libc:malloc", "uprobe"},
		{"kprob:vfs_read", "kprobe"},
		// System calls: a letter too few, too many, another, two swapped, case, underscores, words.
		{"syscall:opnat", "openat"},
		{"syscall:oppenat", "openat"},
		{"syscall:raed", "read"},
		{"syscall:wirte", "write"},
		{"syscall:READ", "read"},
		{"syscall:epol_wait", "epoll_wait"},
		{"syscall:epollwait", "epoll_wait"},
		{"syscall:nanoslep", "nanosleep"},
		{"syscall:clock_nano_sleep", "clock_nanosleep"},
		{"syscall:getpid_", "getpid"},
		{"syscall:excve", "execve"},
		{"syscall:futx", "futex"},
		{"syscall:recv_from", "recvfrom"},
		{"syscall:io_uring_entr", "io_uring_enter"},
		{"syscall:sys_read", "read"},
		// Tracepoints and their categories.
		{"tracepoint:shced:sched_switch", "tracepoint:sched:sched_switch"},
		{"tracepoint:sched:sched_swich", "sched_switch"},
		{"tracepoint:sched:switch", "sched_switch"},
		{"tracepoint:sched:sched_wake_up", "sched_wakeup"},
		{"tracepoint:blok:block_rq_issue", "tracepoint:block:block_rq_issue"},
		{"tracepoint:block:rq_issue", "block_rq_issue"},
		{"tracepoint:block:block_issue_rq", "block_rq_issue"},
		{"tracepoint:net:netif_recieve_skb", "netif_receive_skb"},
		{"tracepoint:tcp:tcp_retransmit", "tcp_retransmit_skb"},
		{"tracepoint:syscalls:sys_enter_opnat", "sys_enter_openat"},
		{"tracepoint:kmem:kmaloc", "kmalloc"},
		{"rawtracepoint:sched_swtich", "sched_switch"},
		// Functions and modules of the kernel.
		{"kprobe:vfs_raed", "vfs_read"},
		{"kprobe:vfsread", "vfs_read"},
		{"kprobe:do_sys_openat", "do_sys_openat2"},
		{"kprobe:tcp_conect", "tcp_connect"},
		{"kcall:blk_mq_strat_request", "blk_mq_start_request"},
		{"kcall:kmem_cache_aloc_noprof", "kmem_cache_alloc_noprof"},
		{"kprobe:try_to_wakeup", "try_to_wake_up"},
		{"kprobe:ext4_file_write", "ext4_file_write_iter"},
		{"kprobe:kvn:kvm_arch_init", "kvm"},
		// Programs, symbols, USDT.
		{"uprobe:bsah:readline", "bash"},
		{"uprobe:/usr/bin/bahs:readline", "/usr/bin/bash"},
		{"uprobe:libc.so:malloc", "libc.so.6"},
		{"uprobe:libc:mallok", "malloc"},
		{"uprobe:libc:pthread_mutexlock", "pthread_mutex_lock"},
		{"uprobe:bash:readlin", "readline"},
		{"uprobe:bash:push_contex", "push_context"},
		{"uprobe:server:handle_requst", "handle_request"},
		{"usdt:libjvm.so:hotspt:gc__begin", "hotspot:gc__begin"},
		{"usdt:libjvm.so:hotspot:method_entry", "method__entry"},
		{"usdt:libjvm.so:hotspot:gc_begin", "gc__begin"},
		{"usdt:libc:libc:memory_sbrk", "memory_sbrk_more"},
		// Arguments, members, types, constants, built-ins, functions.
		{"syscall:openat { x = args.filenam }", "filename"},
		{"syscall:openat { x = args.file_name }", "filename"},
		{"syscall:openat { x = args.flag }", "flags"},
		{"tracepoint:sched:sched_switch { x = args.prev_com }", "prev_comm"},
		{"tracepoint:block:block_rq_issue { x = args.nr_sectors }", "nr_sector"},
		{"kprobe:vfs_read { x = args.fiel }", "file"},
		{"kprobe:vfs_read { x = args.file->fpath.dentry }", "f_path"},
		{"kprobe:vfs_read { x = args.file->f_path.dentrry }", "dentry"},
		{"kprobe:tcp_connect { x = args.sk->sk_common.skc_num }", "__sk_common"},
		{"kprobe:tcp_connect { x = args.sk->__sk_common.skc_prot }", "skc_dport"},
		{"kprobe:vfs_fallocate { x = ((struct tsak_struct *)arg0)->pid }", "struct task_struct"},
		{"kprobe:tcp_connect /args.sk->sk_hint == TCP_ESTABLISH/", "TCP_ESTABLISHED"},
		{"uprobe:server:handle_request { x = args.req->pth }", "path"},
		{"syscall:read /com == \"x\"/", "comm"},
		{"syscall:read { x = usatck }", "ustack"},
		{"syscall:read { x = ret_val }", "retval"},
		{"syscall:read /durration > 1ms/", "duration"},
		{"syscall:read { x = cgrup }", "cgroup"},
		{"syscall:openat { x = sttr(arg1) }", "str"},
	}
	found := 0
	for _, s := range slips {
		_, diags := checkText(host, &expr.Source{Name: "-e", Text: s.program})
		if proposed(diags, s.meant) {
			found++
			continue
		}
		var b strings.Builder
		if err := diags.Render(&b); err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %s is not proposed\n%s", s.program, s.meant, &b)
	}
	t.Logf("%d of %d", found, len(slips))
	if 10*found < 9*len(slips) {
		t.Errorf("the name that was meant is proposed for %d of %d slips; want nine of ten", found, len(slips))
	}
}

// proposed reports whether a name is among those (at most three) that a hint proposes.
func proposed(diags expr.Diagnostics, name string) bool {
	for _, d := range diags {
		for _, h := range d.Hints {
			if names, ok := strings.CutPrefix(h, "did you mean "); ok {
				names = strings.ReplaceAll(strings.TrimSuffix(names, "?"), " or ", ", ")
				if slices.Contains(strings.Split(names, ", "), name) {
					return true
				}
			}
			if h == "write syscall:"+name {
				return true
			}
		}
	}
	return false
}

// TestMeantAtRandom does the same with slips that nobody chose: a letter left out, put in, replaced, or swapped with the next, somewhere in a
// name of the host.
func TestMeantAtRandom(t *testing.T) {
	host := testHost(t, "linux-6.18")
	calls, err := host.Syscalls()
	if err != nil {
		t.Fatal(err)
	}
	points, err := host.Tracepoints()
	if err != nil {
		t.Fatal(err)
	}
	functions, err := host.KernelFuncs()
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(7, 7))
	const slips = 600
	found, tried := 0, 0
	for range slips {
		var program, name string
		switch r.IntN(3) {
		case 0:
			name = calls[r.IntN(len(calls))].Name
			program = "syscall:" + slip(r, name)
		case 1:
			p := points[r.IntN(len(points))]
			if p.Category == "ftrace" {
				continue
			}
			name = p.Name
			program = "tracepoint:" + p.Category + ":" + slip(r, name)
		default:
			f := functions[r.IntN(len(functions))]
			if f.Notrace || f.Blacklisted || strings.Contains(f.Name, ".") {
				continue
			}
			name = f.Name
			program = "kprobe:" + slip(r, name)
		}
		if len(name) < 4 {
			continue // tee, dup: any other three letters are as near
		}
		plan, diags := checkText(host, &expr.Source{Name: "-e", Text: program})
		if plan != nil || !diags.HasErrors() {
			continue // the slip made another name
		}
		tried++
		if proposed(diags, name) {
			found++
		}
	}
	t.Logf("%d of %d", found, tried)
	if tried < slips/2 || 10*found < 9*tried {
		t.Errorf("the name that was meant is proposed for %d of %d slips; want nine of ten", found, tried)
	}
}

// slip makes one mistake in a name.
func slip(r *rand.Rand, name string) string {
	at := r.IntN(len(name))
	letter := string("abcdefghijklmnopqrstuvwxyz_"[r.IntN(27)])
	switch r.IntN(4) {
	case 0:
		return name[:at] + name[at+1:]
	case 1:
		return name[:at] + letter + name[at:]
	case 2:
		return name[:at] + letter + name[at+1:]
	}
	if at+1 == len(name) {
		at = max(0, at-1)
	}
	if at+1 >= len(name) {
		return name + letter
	}
	return name[:at] + name[at+1:at+2] + name[at:at+1] + name[at+2:]
}

package main

import "strings"

// The parameters of i386 calls are nowhere described by a kernel of 64 bits. Those of most are the native call's of the same name, with
// longs and pointers of 32 bits; what differs is listed here, from the kernel's arch/x86/entry/syscalls/syscall_32.tbl, include/linux/compat.h and
// include/linux/syscalls.h.

// compatNative names the native call of an i386 call that has another name.
var compatNative = map[string]string{
	"_newselect": "select", "fcntl64": "fcntl", "fstatat64": "newfstatat", "sendfile64": "sendfile",
	"stat64": "stat", "lstat64": "lstat", "fstat64": "fstat", "ugetrlimit": "getrlimit",
	"chown32": "chown", "fchown32": "fchown", "lchown32": "lchown",
	"getuid32": "getuid", "geteuid32": "geteuid", "getgid32": "getgid", "getegid32": "getegid",
	"setuid32": "setuid", "setgid32": "setgid", "setreuid32": "setreuid", "setregid32": "setregid",
	"setresuid32": "setresuid", "setresgid32": "setresgid", "getresuid32": "getresuid", "getresgid32": "getresgid",
	"setfsuid32": "setfsuid", "setfsgid32": "setfsgid", "getgroups32": "getgroups", "setgroups32": "setgroups",
	"clock_gettime64": "clock_gettime", "clock_settime64": "clock_settime", "clock_adjtime64": "clock_adjtime",
	"clock_getres_time64": "clock_getres", "clock_nanosleep_time64": "clock_nanosleep",
	"timer_gettime64": "timer_gettime", "timer_settime64": "timer_settime",
	"timerfd_gettime64": "timerfd_gettime", "timerfd_settime64": "timerfd_settime",
	"futex_time64": "futex", "io_pgetevents_time64": "io_pgetevents", "ppoll_time64": "ppoll", "pselect6_time64": "pselect6",
	"mq_timedreceive_time64": "mq_timedreceive", "mq_timedsend_time64": "mq_timedsend", "recvmmsg_time64": "recvmmsg",
	"rt_sigtimedwait_time64": "rt_sigtimedwait", "sched_rr_get_interval_time64": "sched_rr_get_interval",
	"semtimedop_time64": "semtimedop", "utimensat_time64": "utimensat",
}

// compatOwn are the parameters of calls that exist for i386 only, or have others there: 64-bit offsets come in two halves, the oldest calls
// take one pointer to all of their arguments.
var compatOwn = map[string]string{
	"clone":   "unsigned int clone_flags, unsigned int newsp, int * parent_tidptr, unsigned int tls, int * child_tidptr",
	"_llseek": "unsigned int fd, unsigned int offset_high, unsigned int offset_low, loff_t * result, unsigned int whence",
	"mmap":    "void * arg",
	"mmap2":   "unsigned int addr, unsigned int len, unsigned int prot, unsigned int flags, unsigned int fd, unsigned int pgoff",
	"select":  "void * arg",
	"ipc":     "unsigned int call, int first, int second, int third, unsigned int ptr, int fifth", "socketcall": "int call, unsigned int * args",
	"truncate64":      "const char * filename, unsigned int offset_low, unsigned int offset_high",
	"ftruncate64":     "unsigned int fd, unsigned int offset_low, unsigned int offset_high",
	"pread64":         "unsigned int fd, char * buf, unsigned int count, unsigned int poslo, unsigned int poshi",
	"pwrite64":        "unsigned int fd, const char * buf, unsigned int count, unsigned int poslo, unsigned int poshi",
	"readahead":       "int fd, unsigned int off_lo, unsigned int off_hi, unsigned int count",
	"fadvise64":       "int fd, unsigned int offset_lo, unsigned int offset_hi, unsigned int len, int advice",
	"fadvise64_64":    "int fd, unsigned int offset_low, unsigned int offset_high, unsigned int len_low, unsigned int len_high, int advice",
	"sync_file_range": "int fd, unsigned int off_low, unsigned int off_hi, unsigned int n_low, unsigned int n_hi, int flags",
	"fallocate":       "int fd, int mode, unsigned int offset_lo, unsigned int offset_hi, unsigned int len_lo, unsigned int len_hi",
	"fanotify_mark":   "int fanotify_fd, unsigned int flags, unsigned int mask0, unsigned int mask1, int dfd, const char * pathname",
	"lookup_dcookie":  "unsigned int w0, unsigned int w1, char * buf, unsigned int len",
	"statfs64":        "const char * pathname, unsigned int sz, void * buf",
	"fstatfs64":       "unsigned int fd, unsigned int sz, void * buf",
	"nice":            "int increment",
	"oldfstat":        "unsigned int fd, void * statbuf",
	"oldlstat":        "const char * filename, void * statbuf",
	"oldstat":         "const char * filename, void * statbuf",
	"oldolduname":     "void * name",
	"olduname":        "void * name",
	"readdir":         "unsigned int fd, void * dirent, unsigned int count",
	"set_thread_area": "struct user_desc * u_info",
	"get_thread_area": "struct user_desc * u_info",
	"sgetmask":        "",
	"ssetmask":        "int newmask",
	"sigaction":       "int sig, const void * act, void * oact",
	"signal":          "int sig, unsigned int handler",
	"sigpending":      "unsigned int * uset",
	"sigprocmask":     "int how, unsigned int * nset, unsigned int * oset",
	"sigreturn":       "",
	"sigsuspend":      "int unused1, int unused2, unsigned int mask",
	"stime":           "int * tptr",
	"umount":          "char * name",
	"waitpid":         "pid_t pid, int * stat_addr, int options",
	"sendfile":        "int out_fd, int in_fd, int * offset, unsigned int count",
	"time":            "int * tloc",
	"vm86old":         "void * user_vm86",
	"vm86":            "unsigned int cmd, unsigned int arg",
}

// compatNone are calls whose number is taken and that no kernel has.
var compatNone = map[string]bool{
	"afs_syscall": true, "bdflush": true, "break": true, "create_module": true, "ftime": true, "get_kernel_syms": true, "getpmsg": true,
	"gtty": true, "idle": true, "lock": true, "mpx": true, "nfsservctl": true, "prof": true, "profil": true, "putpmsg": true,
	"query_module": true, "stty": true, "ulimit": true, "vserver": true, "epoll_ctl_old": true, "epoll_wait_old": true,
}

// shortIDs are the calls of user and group ids that were made when those had 16 bits; the ones with 32 in their name came later.
var shortIDs = map[string]bool{
	"chown": true, "fchown": true, "lchown": true, "setuid": true, "setgid": true, "setreuid": true, "setregid": true, "setresuid": true,
	"setresgid": true, "getresuid": true, "getresgid": true, "setfsuid": true, "setfsgid": true, "getgroups": true, "setgroups": true,
}

// compatParams returns the parameters of an i386 call.
func compatParams(name string, native *calls) string {
	if own, ok := compatOwn[name]; ok {
		return own
	}
	if compatNone[name] {
		return unknown
	}
	from := name
	if n, ok := compatNative[name]; ok {
		from = n
	}
	params, ok := native.params[from]
	if !ok || params == unknown || params == "" {
		if ok {
			return params
		}
		return unknown
	}
	time64 := strings.HasSuffix(name, "64") && from != name || native.numbers[name] > lastTime32
	var out []string
	for _, p := range strings.Split(params, ", ") {
		end := strings.LastIndexByte(p, ' ')
		out = append(out, compatType(p[:end], time64, shortIDs[name])+" "+p[end+1:])
	}
	return strings.Join(out, ", ")
}

// lastTime32 is the last native number of a call that may have a 32-bit variant with other times: calls since 5.1 are the same on all ABIs.
const lastTime32 = 423

// samePointers are types with the same layout in programs of 32 and of 64 bits.
var samePointers = map[string]bool{
	"char": true, "void": true, "int": true, "unsigned int": true, "unsigned": true, "unsigned char": true, "u32": true, "__u32": true, "uint32_t": true,
	"u64": true, "__u64": true, "uid_t": true, "gid_t": true, "pid_t": true, "mqd_t": true, "timer_t": true, "loff_t": true, "__s32": true,
	"struct sockaddr": true, "struct pollfd": true, "struct epoll_event": true, "struct timezone": true, "struct open_how": true, "struct statx": true,
	"union bpf_attr": true, "struct perf_event_attr": true, "struct io_uring_params": true, "struct file_handle": true, "struct clone_args": true,
	"struct sched_attr": true, "struct linux_dirent64": true, "struct rlimit64": true, "struct futex_waitv": true, "struct mount_attr": true,
	"struct landlock_ruleset_attr": true, "const struct landlock_ruleset_attr": true, "struct sched_param": true, "struct user_desc": true,
	"struct mnt_id_req": true, "struct statmount": true, "struct cachestat": true, "struct cachestat_range": true, "struct xattr_args": true,
	"struct lsm_ctx": true, "struct file_attr": true, "struct new_utsname": true,
}

// time64Pointers are the same for calls whose times have 64 bits.
var time64Pointers = map[string]bool{
	"struct __kernel_timespec": true, "struct __kernel_itimerspec": true, "struct __kernel_timex": true,
}

// scalars are the types of values whose size differs.
var scalars = map[string]string{
	"long": "int", "unsigned long": "unsigned int", "size_t": "unsigned int", "ssize_t": "int", "off_t": "int", "__kernel_long_t": "int",
	"__kernel_ulong_t": "unsigned int", "aio_context_t": "unsigned int", "__sighandler_t": "unsigned int", "old_sigset_t": "unsigned int",
}

// compatType returns the type of a parameter as programs of 32 bits see it. A pointer to what is laid out otherwise there points to nothing
// that is known.
func compatType(c string, time64, shortID bool) string {
	target, pointer := strings.CutSuffix(c, "*")
	if !pointer {
		if shortID && (c == "uid_t" || c == "gid_t") {
			return "unsigned short"
		}
		if s, ok := scalars[strings.TrimPrefix(c, "const ")]; ok {
			return s
		}
		return c
	}
	target = strings.TrimSpace(target)
	bare := strings.TrimSpace(strings.TrimPrefix(strings.TrimSuffix(target, " const"), "const "))
	if shortID && (bare == "uid_t" || bare == "gid_t") {
		return "unsigned short *"
	}
	if samePointers[bare] || time64 && time64Pointers[bare] {
		return c
	}
	if bare == "old_sigset_t" {
		return "unsigned int *"
	}
	if strings.HasPrefix(target, "const ") {
		return "const void *"
	}
	return "void *"
}

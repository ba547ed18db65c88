package analyze

// waits are the system calls whose time is mostly spent waiting for something to happen, by design: in a list by time they would stand above
// everything else. read, write, recvfrom and the like wait too, but what they wait for is often what an incident is about.
var waits = map[string]bool{
	"epoll_wait": true, "epoll_pwait": true, "epoll_pwait2": true, "poll": true, "ppoll": true, "ppoll_time64": true,
	"select": true, "_newselect": true, "pselect6": true, "pselect6_time64": true,
	"futex": true, "futex_time64": true, "futex_wait": true, "futex_waitv": true,
	"nanosleep": true, "clock_nanosleep": true, "clock_nanosleep_time64": true, "pause": true,
	"wait4": true, "waitid": true, "waitpid": true,
	"rt_sigsuspend": true, "sigsuspend": true, "rt_sigtimedwait": true, "rt_sigtimedwait_time64": true,
	"accept": true, "accept4": true, "io_getevents": true, "io_pgetevents": true, "io_pgetevents_time64": true, "io_uring_enter": true,
	"restart_syscall": true,
}

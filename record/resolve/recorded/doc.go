// Package recorded holds recorded hosts: a text that says what a host has, read into a resolve.Host. Tests check probe programs against
// them on any operating system.
//
// It imports record/resolve, schemas and cilium/ebpf/btf. Only tests use it.
//
// A text is lines; # begins a comment. What is indented by a tab belongs to the line above it.
//
//	tracepoint sched:sched_switch 372
//		field:char prev_comm[16];	offset:8;	size:16;	signed:0;
//	syscall x86_64 257 openat(int dfd, const char * filename, int flags, umode_t mode)
//	syscall i386 1 exit(?)
//	module ext4 loaded
//	function vfs_read ffffffff816bab70 1504
//	function ext4_file_open@ext4 ffffffffc0401000 96 notrace blacklisted
//	binary /usr/bin/bash build-id=8d0c1f stripped dynsym=1671 names=bash
//		text 1000 1000 80000
//		symbol readline 1a2b30 1a2b30 512 dynamic
//		usdt hotspot gc__begin 4010 0 -4@%edi 8@%rsi
//		func int work(int n, const char * text);
//	types
//		struct path { struct vfsmount * mnt; struct dentry * dentry; };
//		func ssize_t vfs_read(struct file * file, char * buf, size_t count, loff_t * pos);
//		tracepoint sched_switch(bool preempt, struct task_struct * prev);
//	deny tracepoints /sys/kernel/tracing/events
//	absent types /sys/kernel/btf/vmlinux
package recorded

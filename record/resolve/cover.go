package resolve

import (
	"fmt"
	"slices"
	"strings"

	"probetape/record/spec"
)

// A cover is a stable probe that sees what a kernel function does. Functions come and go between kernels; these stay.
type cover struct {
	functions []string // globs
	by        []string // tracepoint:category:name, rawtracepoint:name or syscall:name; * stands for what the function's * matched
	sees      string   // what of it, where that is not the whole
}

// covers says which functions the kernel's own tracepoints, or its system calls, cover. Sources: where each TRACE_EVENT's trace_ call stands, Linux
// 5.10 to 6.18.
var covers = []cover{
	{functions: []string{"__x64_sys_*", "__do_sys_*", "__se_sys_*", "ksys_*", "__ia32_sys_*"}, by: []string{"syscall:*"}},
	{functions: []string{"do_sys_open", "do_sys_openat2"}, by: []string{"syscall:openat"}, sees: "opens by system calls (open and creat are others)"},
	{functions: []string{"do_unlinkat"}, by: []string{"syscall:unlinkat"}, sees: "removals by system calls (unlink is another)"},
	{functions: []string{"do_renameat2"}, by: []string{"syscall:renameat2"}, sees: "renames by system calls (rename and renameat are others)"},
	{functions: []string{"do_mkdirat"}, by: []string{"syscall:mkdirat"}, sees: "directories made by system calls (mkdir is another)"},
	{functions: []string{"do_execveat_common*", "do_execve", "bprm_execve"}, by: []string{"syscall:execve"}, sees: "programs started by system calls"},
	{functions: []string{"exec_binprm", "begin_new_exec"}, by: []string{"tracepoint:sched:sched_process_exec"}, sees: "programs that were started"},
	{functions: []string{"kernel_clone", "_do_fork", "wake_up_new_task", "copy_process"}, by: []string{"tracepoint:sched:sched_process_fork"}},
	{functions: []string{"do_exit"}, by: []string{"tracepoint:sched:sched_process_exit"}},
	{functions: []string{"do_group_exit"}, by: []string{"syscall:exit_group"}, sees: "exits by system calls (signals end processes too)"},
	{functions: []string{"__schedule", "schedule", "finish_task_switch*", "__switch_to"}, by: []string{"tracepoint:sched:sched_switch"}, sees: "switches from one task to another"},
	{functions: []string{"try_to_wake_up", "ttwu_do_wakeup*", "ttwu_do_activate*", "wake_up_process", "default_wake_function"}, by: []string{"tracepoint:sched:sched_wakeup"}, sees: "wake-ups of tasks that were not runnable"},
	{functions: []string{"set_task_cpu", "migrate_task_to", "move_queued_task*"}, by: []string{"tracepoint:sched:sched_migrate_task"}},
	{functions: []string{"__set_task_comm"}, by: []string{"tracepoint:task:task_rename"}},

	{functions: []string{"blk_mq_start_request", "blk_start_request"}, by: []string{"tracepoint:block:block_rq_issue"}},
	{functions: []string{"blk_mq_end_request", "blk_update_request", "blk_account_io_done*"}, by: []string{"tracepoint:block:block_rq_complete"}},
	{functions: []string{"blk_mq_insert_request*", "__blk_mq_insert_request*"}, by: []string{"tracepoint:block:block_rq_insert"}},
	{functions: []string{"submit_bio", "submit_bio_noacct"}, by: []string{"tracepoint:block:block_bio_queue"}},
	{functions: []string{"bio_endio"}, by: []string{"tracepoint:block:block_bio_complete"}},
	{functions: []string{"blk_mq_requeue_request"}, by: []string{"tracepoint:block:block_rq_requeue"}},

	{functions: []string{"tcp_set_state", "inet_sk_state_store", "inet_sk_set_state"}, by: []string{"tracepoint:sock:inet_sock_set_state"}},
	{functions: []string{"tcp_retransmit_skb", "__tcp_retransmit_skb"}, by: []string{"tracepoint:tcp:tcp_retransmit_skb"}},
	{functions: []string{"tcp_send_active_reset", "tcp_v4_send_reset", "tcp_v6_send_reset"}, by: []string{"tracepoint:tcp:tcp_send_reset"}},
	{functions: []string{"tcp_reset"}, by: []string{"tracepoint:tcp:tcp_receive_reset"}},
	{functions: []string{"tcp_v4_destroy_sock"}, by: []string{"tracepoint:tcp:tcp_destroy_sock"}},
	{functions: []string{"tcp_rcv_space_adjust"}, by: []string{"tracepoint:tcp:tcp_rcv_space_adjust"}},
	{functions: []string{"tcp_rcv_established", "tcp_v4_do_rcv"}, by: []string{"tracepoint:tcp:tcp_probe"}, sees: "segments of established connections"},
	{functions: []string{"tcp_connect", "tcp_v4_connect", "tcp_v6_connect", "inet_csk_accept", "tcp_finish_connect"}, by: []string{"tracepoint:sock:inet_sock_set_state"}, sees: "connections by their states"},
	{functions: []string{"__sys_connect", "__sys_accept4", "__sys_bind", "__sys_listen", "__sys_socket", "__sys_sendto", "__sys_recvfrom", "__sys_sendmsg", "__sys_recvmsg", "__sys_shutdown", "__sys_setsockopt", "__sys_getsockopt"}, by: []string{"syscall:*"}},
	{functions: []string{"kfree_skb", "kfree_skb_reason", "sk_skb_reason_drop"}, by: []string{"tracepoint:skb:kfree_skb"}},
	{functions: []string{"consume_skb"}, by: []string{"tracepoint:skb:consume_skb"}},
	{functions: []string{"__netif_receive_skb*", "netif_receive_skb_internal", "__netif_receive_skb_core*"}, by: []string{"tracepoint:net:netif_receive_skb"}},
	{functions: []string{"netif_receive_skb"}, by: []string{"tracepoint:net:netif_receive_skb_entry"}},
	{functions: []string{"napi_gro_receive"}, by: []string{"tracepoint:net:napi_gro_receive_entry"}},
	{functions: []string{"netif_rx", "netif_rx_internal"}, by: []string{"tracepoint:net:netif_rx"}},
	{functions: []string{"__dev_queue_xmit", "dev_queue_xmit"}, by: []string{"tracepoint:net:net_dev_queue"}},
	{functions: []string{"dev_hard_start_xmit"}, by: []string{"tracepoint:net:net_dev_start_xmit"}},
	{functions: []string{"__sock_queue_rcv_skb"}, by: []string{"tracepoint:sock:sock_rcvqueue_full"}, sees: "packets dropped for a full queue"},
	{functions: []string{"udp_queue_rcv_skb", "__udp_queue_rcv_skb", "udp_fail_queue_rcv_skb"}, by: []string{"tracepoint:udp:udp_fail_queue_rcv_skb"}, sees: "datagrams dropped for a full queue"},

	{functions: []string{"handle_mm_fault", "exc_page_fault", "do_user_addr_fault"}, by: []string{"tracepoint:exceptions:page_fault_user"}, sees: "page faults of programs"},
	{functions: []string{"try_to_free_pages"}, by: []string{"tracepoint:vmscan:mm_vmscan_direct_reclaim_begin"}},
	{functions: []string{"balance_pgdat", "kswapd"}, by: []string{"tracepoint:vmscan:mm_vmscan_kswapd_wake"}},
	{functions: []string{"oom_kill_process", "__oom_kill_process", "out_of_memory"}, by: []string{"tracepoint:oom:mark_victim"}, sees: "processes chosen to be killed"},
	{functions: []string{"__alloc_pages*", "__alloc_frozen_pages*"}, by: []string{"tracepoint:kmem:mm_page_alloc"}},
	{functions: []string{"__free_pages", "free_unref_page*"}, by: []string{"tracepoint:kmem:mm_page_free"}},
	{functions: []string{"__kmalloc*", "kmalloc_trace*"}, by: []string{"tracepoint:kmem:kmalloc"}},
	{functions: []string{"kfree"}, by: []string{"tracepoint:kmem:kfree"}},
	{functions: []string{"kmem_cache_alloc*"}, by: []string{"tracepoint:kmem:kmem_cache_alloc"}},
	{functions: []string{"kmem_cache_free"}, by: []string{"tracepoint:kmem:kmem_cache_free"}},
	{functions: []string{"compact_zone"}, by: []string{"tracepoint:compaction:mm_compaction_begin"}},
	{functions: []string{"filemap_add_folio", "add_to_page_cache_lru"}, by: []string{"tracepoint:filemap:mm_filemap_add_to_page_cache"}},
	{functions: []string{"folio_mark_dirty", "set_page_dirty"}, by: []string{"tracepoint:writeback:writeback_dirty_folio", "tracepoint:writeback:writeback_dirty_page"}},

	{functions: []string{"send_signal*", "__send_signal*", "do_send_sig_info"}, by: []string{"tracepoint:signal:signal_generate"}},
	{functions: []string{"get_signal"}, by: []string{"tracepoint:signal:signal_deliver"}, sees: "signals that are delivered"},
	{functions: []string{"hrtimer_start_range_ns"}, by: []string{"tracepoint:timer:hrtimer_start"}},
	{functions: []string{"__run_hrtimer", "__hrtimer_run_queues"}, by: []string{"tracepoint:timer:hrtimer_expire_entry"}},
	{functions: []string{"mod_timer", "add_timer", "__mod_timer"}, by: []string{"tracepoint:timer:timer_start"}},
	{functions: []string{"call_timer_fn"}, by: []string{"tracepoint:timer:timer_expire_entry"}},
	{functions: []string{"queue_work_on", "__queue_work"}, by: []string{"tracepoint:workqueue:workqueue_queue_work"}},
	{functions: []string{"process_one_work"}, by: []string{"tracepoint:workqueue:workqueue_execute_start"}},
	{functions: []string{"handle_irq_event_percpu", "__handle_irq_event_percpu", "handle_irq_event"}, by: []string{"tracepoint:irq:irq_handler_entry"}},
	{functions: []string{"__do_softirq", "handle_softirqs"}, by: []string{"tracepoint:irq:softirq_entry"}},
	{functions: []string{"raise_softirq*", "__raise_softirq_irqoff"}, by: []string{"tracepoint:irq:softirq_raise"}},
	{functions: []string{"printk", "vprintk*", "_printk"}, by: []string{"tracepoint:printk:console"}},
	{functions: []string{"cgroup_attach_task"}, by: []string{"tracepoint:cgroup:cgroup_attach_task"}},
	{functions: []string{"cgroup_mkdir"}, by: []string{"tracepoint:cgroup:cgroup_mkdir"}},
	{functions: []string{"do_init_module", "load_module"}, by: []string{"tracepoint:module:module_load"}},
	{functions: []string{"cpufreq_driver_target", "__cpufreq_driver_target"}, by: []string{"tracepoint:power:cpu_frequency"}},
	{functions: []string{"cpuidle_enter_state"}, by: []string{"tracepoint:power:cpu_idle"}},
}

// coveredBy returns the stable probe of this host that covers a function, and what of it that sees; empty where there is none.
func (f *finder) coveredBy(function string) (probe, sees string) {
	for _, c := range covers {
		for _, pattern := range c.functions {
			if !matchGlob(pattern, function) {
				continue
			}
			for _, by := range c.by {
				if strings.HasPrefix(by, "syscall:*") {
					by = "syscall:" + syscallOfFunction(function)
				}
				if f.exists(by) {
					return by, c.sees
				}
			}
		}
	}
	return "", ""
}

// syscallOfFunction takes the system call's name out of that of the function that does it.
func syscallOfFunction(function string) string {
	for _, prefix := range []string{"__x64_sys_", "__ia32_sys_", "__do_sys_", "__se_sys_", "ksys_", "__sys_"} {
		if rest, ok := strings.CutPrefix(function, prefix); ok {
			return rest
		}
	}
	return function
}

func (f *finder) exists(probe string) bool {
	kind, name, _ := strings.Cut(probe, ":")
	switch kind {
	case "syscall":
		calls, err := f.host.Syscalls()
		return err == nil && slices.ContainsFunc(calls, func(c Syscall) bool { return c.Name == name })
	case "tracepoint":
		category, name, _ := strings.Cut(name, ":")
		points, err := f.host.Tracepoints()
		return err == nil && slices.Contains(points, Tracepoint{category, name})
	}
	return false
}

// coverNote tells of a stable probe that sees what the function does.
func (f *finder) coverNote(p *spec.Probe) {
	by, sees := f.coveredBy(p.Name.Text)
	if by == "" {
		return
	}
	if sees == "" {
		sees = "the same"
	}
	f.advice = append(f.advice, advice{p.Name, fmt.Sprintf("%s sees %s, and stays as kernels change", by, sees), "write " + by})
}

package syscalls

import (
	"testing"

	"golang.org/x/sys/unix"

	"probetape/schemas"
)

// TestNewNumbers holds the newest calls, which installed headers lack, against another project's list.
func TestNewNumbers(t *testing.T) {
	for name, number := range map[string]int32{
		"cachestat": unix.SYS_CACHESTAT, "fchmodat2": unix.SYS_FCHMODAT2, "map_shadow_stack": unix.SYS_MAP_SHADOW_STACK,
		"futex_wake": unix.SYS_FUTEX_WAKE, "futex_wait": unix.SYS_FUTEX_WAIT, "futex_requeue": unix.SYS_FUTEX_REQUEUE,
		"statmount": unix.SYS_STATMOUNT, "listmount": unix.SYS_LISTMOUNT, "lsm_get_self_attr": unix.SYS_LSM_GET_SELF_ATTR,
		"lsm_set_self_attr": unix.SYS_LSM_SET_SELF_ATTR, "lsm_list_modules": unix.SYS_LSM_LIST_MODULES, "mseal": unix.SYS_MSEAL,
		"setxattrat": unix.SYS_SETXATTRAT, "getxattrat": unix.SYS_GETXATTRAT, "listxattrat": unix.SYS_LISTXATTRAT,
		"removexattrat": unix.SYS_REMOVEXATTRAT, "open_tree_attr": unix.SYS_OPEN_TREE_ATTR, "file_getattr": unix.SYS_FILE_GETATTR,
		"file_setattr": unix.SYS_FILE_SETATTR, "listns": unix.SYS_LISTNS, "rseq_slice_yield": unix.SYS_RSEQ_SLICE_YIELD,
	} {
		for _, abi := range abis {
			if c := find(t, abi, name); c.Number != number {
				t.Errorf("%s of %s: %d, want %d", name, abi, c.Number, number)
			}
		}
	}
	if find(t, schemas.ABIx8664, "uretprobe").Number != 335 || find(t, schemas.ABIx8664, "uprobe").Number != 336 {
		t.Error("the kernel's own calls of uprobes")
	}
}

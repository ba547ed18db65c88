package record

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// makeCgroup makes a cgroup of version 2 for a test.
func makeCgroup(t *testing.T) (mount, name string) {
	t.Helper()
	needRoot(t)
	mount, err := cgroupMount()
	if err != nil {
		t.Fatal(err)
	}
	if mount == "" {
		t.Fatal("no cgroup hierarchy of version 2 is mounted")
	}
	name = "probetape-test-" + filepath.Base(t.TempDir())
	if err := os.Mkdir(filepath.Join(mount, name), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.Remove(filepath.Join(mount, name)); err != nil {
			t.Error(err)
		}
	})
	return mount, name
}

func TestFindCgroup(t *testing.T) {
	mount, name := makeCgroup(t)
	for _, typed := range []string{name, "/" + name, name + "/", filepath.Join(mount, name)} {
		dir, below, err := findCgroup(typed)
		if err != nil || dir != filepath.Join(mount, name) || below != "/"+name {
			t.Errorf("findCgroup(%q) = %q, %q, %v", typed, dir, below, err)
		}
	}
	for _, typed := range []string{"no-such-cgroup", "/sys/fs/cgroup/no/such"} {
		var wrong *CgroupError
		if _, _, err := findCgroup(typed); !errors.As(err, &wrong) || len(wrong.Hints()) == 0 {
			t.Errorf("findCgroup(%q) = %v; want a *CgroupError with a hint", typed, err)
		}
	}
}

func TestCgroupNames(t *testing.T) {
	mount, name := makeCgroup(t)
	clock := &fakeClock{now: 1e9}
	c := &cgroupNames{mount: mount, clock: clock}
	id := inode(t, filepath.Join(mount, name))
	if got := c.path(id); got != "/"+name {
		t.Errorf("the cgroup of id %d is called %q, want %q", id, got, "/"+name)
	}
	if got := c.path(inode(t, mount)); got != "/" {
		t.Errorf("the root is called %q", got)
	}
	if got := c.path(1 << 60); got != "" {
		t.Errorf("a cgroup that is not there is called %q", got)
	}
}

func inode(t *testing.T, path string) uint64 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Sys().(*syscall.Stat_t).Ino
}

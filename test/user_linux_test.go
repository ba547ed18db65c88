package test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// nobody is the user without rights.
const nobody = 65534

// asNobody makes a command run as an unprivileged user.
func asNobody(t *testing.T, cmd *exec.Cmd) *exec.Cmd {
	t.Helper()
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
	if cmd.Dir == "" {
		cmd.Dir = "/"
	}
	// The program may lie in a folder that others may not enter: it is run by a copy that they can reach.
	dir, err := os.MkdirTemp("/tmp", "nobody-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd.Path = filepath.Join(dir, "program")
	copyFile(t, cmd.Args[0], cmd.Path, 0o755)
	return cmd
}

func copyFile(t *testing.T, from, to string, mode fs.FileMode) {
	t.Helper()
	data, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, data, mode); err != nil {
		t.Fatal(err)
	}
}

// copyTree copies a folder's files and gives them to a user.
func copyTree(t *testing.T, from, to string, uid int) {
	t.Helper()
	err := filepath.WalkDir(from, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, name)
		if err != nil {
			return err
		}
		target := filepath.Join(to, rel)
		if d.IsDir() {
			err = os.MkdirAll(target, 0o755)
		} else {
			copyFile(t, name, target, 0o600)
		}
		if err != nil {
			return err
		}
		return os.Chown(target, uid, uid)
	})
	if err != nil {
		t.Fatal(err)
	}
}

package host

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// tree makes a host of files: paths as on the host, and what is in them. Contents that begin with "@" are copied from a file of testdata
// folders, those that begin with "->" are links.
func tree(t testing.TB, files map[string]string) *Host {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		at := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		if target, ok := strings.CutPrefix(text, "->"); ok {
			if err := os.Symlink(target, at); err != nil {
				t.Fatal(err)
			}
			continue
		}
		data := []byte(text)
		if from, ok := strings.CutPrefix(text, "@"); ok {
			var err error
			if data, err = os.ReadFile(filepath.FromSlash(from)); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(at, data, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	h, err := OpenTree(root)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

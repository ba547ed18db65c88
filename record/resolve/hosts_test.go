package resolve_test

import (
	"os"
	"path/filepath"
	"testing"

	"probetape/record/resolve"
	"probetape/record/resolve/recorded"
)

// testHost reads a recorded host.
func testHost(t testing.TB, name string) resolve.Host {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", "hosts", name+".host"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	h, err := recorded.Read(f)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

package store

import (
	"os"
	"testing"
)

// Tests that need a process of their own run this test binary again, with the name of what it is to do in childEnv and a capture's path in
// childPath.
const (
	childEnv  = "PROBETAPE_TEST_CHILD"
	childPath = "PROBETAPE_TEST_PATH"
)

func TestMain(m *testing.M) {
	switch os.Getenv(childEnv) {
	case "record":
		os.Exit(childRecord())
	case "fault":
		os.Exit(childFault())
	}
	os.Exit(m.Run())
}

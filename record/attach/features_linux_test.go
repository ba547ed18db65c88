package attach

import "testing"

func TestFeatures(t *testing.T) {
	f := needRoot(t)
	t.Logf("%+v", f)
}

package attach

import "testing"

func TestFeatures(t *testing.T) {
	f, err := Features()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v", f)
}

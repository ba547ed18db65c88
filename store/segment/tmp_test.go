package segment

import (
	"fmt"
	"probetape/schemas"
	"testing"
	"time"
)

func TestTmpCols(t *testing.T) {
	tb := syscallsTable()
	var b schemas.Batch
	newTraffic().fill(&b, tb, 4096)
	c, _ := newCompressor(LZ4)
	cols := map[string][]byte{"time": bytesOf(b.Time), "cpu": bytesOf(b.CPU), "task": bytesOf(b.Task), "site": bytesOf(b.Site), "dur": bytesOf(b.Duration), "end": bytesOf(b.End), "errno": bytesOf(b.Errno)}
	for i := range b.Columns {
		cols[fmt.Sprintf("arg%d", i)] = bytesOf(b.Columns[i].Ints)
	}
	for k, v := range cols {
		var out []byte
		start := time.Now()
		for range 300 {
			out, _ = c.append(out[:0], v)
		}
		d := time.Since(start) / 300
		fmt.Printf("%-6s %6d -> %6d  %.1f ns/row %.2f\n", k, len(v), len(out), float64(d.Nanoseconds())/4096, float64(len(out))/float64(len(v)))
	}
}

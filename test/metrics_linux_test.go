package test

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

func TestPromtoolAcceptsTheMetrics(t *testing.T) {
	promtool := needProgram(t, "promtool")
	capture, _ := record(t, 0, "-k", "syscalls,sched", "--", "sh", "-c", "ls / >/dev/null; sleep 0.1; exit 0")
	first := probetape(t, 0, "analyze", "prometheus", capture).stdout
	check := exec.Command(promtool, "check", "metrics")
	check.Stdin = strings.NewReader(first)
	if out := run(t, check); out.status != 0 || out.stdout+out.stderr != "" {
		t.Errorf("promtool: status %d: %s%s", out.status, out.stdout, out.stderr)
	}
	if second := probetape(t, 0, "analyze", "prometheus", capture).stdout; second != first {
		t.Error("two runs print different bytes")
	}
	for _, name := range []string{"probetape_events_total", "probetape_call_duration_seconds_bucket", "probetape_lost_events_total", "probetape_recorder_cpu_seconds_total", "probetape_capture_incomplete"} {
		if !strings.Contains(first, "\n"+name) {
			t.Errorf("there is no %s", name)
		}
	}
}

var metricsAt = regexp.MustCompile(`http://[0-9.:]+/metrics`)

// get reads a page.
func get(t *testing.T, url string) (string, int) {
	t.Helper()
	r, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text), r.StatusCode
}

// TestLiveMetrics: what a recording serves is what the capture says afterwards, by names, labels and buckets.
func TestLiveMetrics(t *testing.T) {
	r := startRecording(t, "--listen", ":0", "-e", `syscall:getppid /comm == "getppid_threads"/`, "--", "sh", "-c", traced("getppid_threads")+" 4000; exec sleep 1000")
	r.waitFor("/metrics")
	url := metricsAt.FindString(r.stderr.String())
	if !strings.HasPrefix(url, "http://127.0.0.1:") {
		t.Fatalf("an address without a host is %q, want loopback", url)
	}
	const want = `probetape_events_total{table="syscall:getppid",site="getppid"} 4000`
	var live string
	eventually(t, want, func() bool {
		var status int
		if live, status = get(t, url); status != 200 {
			t.Fatalf("status %d: %s", status, live)
		}
		return strings.Contains(live, want)
	})
	if text, status := get(t, strings.Replace(url, "/metrics", "/healthz", 1)); status != 200 || text != "ok\n" {
		t.Errorf("/healthz: %d %q", status, text)
	}
	// The signal is passed on to the command, which dies of it.
	if status := r.end(syscall.SIGTERM); status != 128+int(syscall.SIGTERM) {
		t.Errorf("status %d: %s", status, r.stderr.String())
	}
	offline := probetape(t, 0, "analyze", "prometheus", r.capture).stdout
	if a, b := seriesOf(live), seriesOf(offline); a != b {
		t.Errorf("live series:\n%s\noffline series:\n%s", a, b)
	}
	if _, err := http.Get(url); err == nil {
		t.Error("the server answers after the recording")
	}
}

// seriesOf returns the names and labels of metrics, one a line.
func seriesOf(metrics string) string {
	var series strings.Builder
	for line := range strings.Lines(metrics) {
		if !strings.HasPrefix(line, "#") {
			series.WriteString(line[:strings.LastIndexByte(line, ' ')] + "\n")
		}
	}
	return series.String()
}

// freeAddress returns an address of loopback that nobody listens on.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return l.Addr().String()
}

func TestPrometheusScrapesARecording(t *testing.T) {
	prometheus := needProgram(t, "prometheus")
	r := startRecording(t, "--listen", ":0", "--", "sh", "-c", "while :; do ls / >/dev/null; done")
	r.waitFor("/metrics")
	target := strings.TrimSuffix(strings.TrimPrefix(metricsAt.FindString(r.stderr.String()), "http://"), "/metrics")
	dir := t.TempDir()
	config := filepath.Join(dir, "prometheus.yml")
	text := fmt.Sprintf("global: {scrape_interval: 1s}\nscrape_configs:\n- job_name: probetape\n  static_configs: [{targets: ['%s']}]\n", target)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	address := freeAddress(t)
	said := &lockedBuffer{}
	cmd := exec.Command(prometheus, "--config.file", config, "--storage.tsdb.path", filepath.Join(dir, "data"), "--web.listen-address", address)
	cmd.Stderr = said
	background(t, cmd)
	var answer struct {
		Data struct {
			Result []struct {
				Metric map[string]string
				Value  []any
			}
		}
	}
	eventually(t, "Prometheus to have scraped", func() bool {
		resp, err := http.Get("http://" + address + "/api/v1/query?query=probetape_events_total%7Bsite%3D%22execve%22%7D")
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		if resp.StatusCode == http.StatusServiceUnavailable {
			return false // it is still reading its own files
		}
		if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
			t.Fatalf("%v; Prometheus says: %s", err, said.String())
		}
		return len(answer.Data.Result) > 0
	})
	if got := answer.Data.Result[0].Metric; got["table"] != "syscall" || got["instance"] != target {
		t.Errorf("labels %v", got)
	}
}

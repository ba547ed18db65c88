package serve

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestParseAddress(t *testing.T) {
	for text, want := range map[string]string{
		":9435": "127.0.0.1:9435", "127.0.0.1:9435": "127.0.0.1:9435", "0.0.0.0:9435": "0.0.0.0:9435", "[::1]:9435": "[::1]:9435",
		"localhost:0": "localhost:0", "host.example:80": "host.example:80",
	} {
		if got, err := ParseAddress(text); err != nil || got != want {
			t.Errorf("ParseAddress(%q) = %q, %v; want %q", text, got, err, want)
		}
	}
	for text, hint := range map[string]string{
		"9435": "with a colon: :9435", "http://localhost:9435/metrics": "without the scheme and the path: localhost:9435",
		"localhost": "", "": "", ":http": "", ":99999": "", "::1:9435": "", ":": "", ":-1": "",
	} {
		_, err := ParseAddress(text)
		var wrong *AddressError
		if !errors.As(err, &wrong) {
			t.Errorf("ParseAddress(%q) = %v; want an *AddressError", text, err)
			continue
		}
		if got := wrong.Hints()[0]; hint != "" && got != hint || got == "" {
			t.Errorf("ParseAddress(%q) hints %q, want %q", text, got, hint)
		}
	}
}

func TestAllowedHost(t *testing.T) {
	for host, want := range map[string]bool{
		"127.0.0.1:9435": true, "localhost": true, "LOCALHOST.:9435": true, "[::1]:9435": true, "::1": true, "10.0.0.7": true, "a.localhost:1": true,
		"evil.example": false, "evil.example:9435": false, "127.0.0.1.evil.example": false, "": false, "localhost.evil.example": false, "notlocalhost": false,
	} {
		if got := allowedHost(host); got != want {
			t.Errorf("allowedHost(%q) = %v, want %v", host, got, want)
		}
	}
}

// start runs a server on a free port.
func start(t *testing.T, c Config) *Server {
	t.Helper()
	s, err := Listen(":0")
	if err != nil {
		t.Fatal(err)
	}
	s.Start(c)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// say sends one request as text and returns the status, the headers and the body.
func say(t *testing.T, s *Server, request string) (int, http.Header, string) {
	t.Helper()
	c, err := net.Dial("tcp", s.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatal(err)
	}
	method, _, _ := strings.Cut(request, " ")
	r, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: method})
	if err != nil {
		t.Fatalf("%q: %v", request, err)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r.StatusCode, r.Header, string(body)
}

func get(path, host string) string {
	return fmt.Sprintf("GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", path, host)
}

func TestServer(t *testing.T) {
	const text = "# TYPE up gauge\nup 1\n"
	var mu sync.Mutex
	sick := error(nil)
	s := start(t, Config{
		Metrics: func(w io.Writer) error { _, err := io.WriteString(w, text); return err },
		Health:  func() error { mu.Lock(); defer mu.Unlock(); return sick },
		Pages: map[string]Page{"/report": {Type: "text/html; charset=utf-8", Write: func(w io.Writer) error {
			_, err := io.WriteString(w, "<p>")
			return err
		}}, "/broken": {Write: func(w io.Writer) error { return errors.New("no rows") }}},
	})
	for _, c := range []struct {
		request string
		status  int
		body    string
	}{
		{get("/metrics", "localhost:1"), 200, text},
		{get("/metrics?x=1", "127.0.0.1"), 200, text},
		{get("/metrics", "evil.example"), 403, ""},
		{get("/healthz", "localhost"), 200, "ok\n"},
		{get("/report", "localhost"), 200, "<p>"},
		{get("/broken", "localhost"), 500, "no rows\n"},
		{get("/", "localhost"), 404, ""},
		{get("/metrics/../../etc/passwd", "localhost"), 404, ""},
		{"HEAD /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", 200, ""},
		{"POST /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", 405, ""},
		{"DELETE /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", 405, ""},
		{"nonsense\r\n\r\n", 400, ""},
	} {
		status, header, body := say(t, s, c.request)
		line, _, _ := strings.Cut(c.request, "\r\n")
		if status != c.status || c.body != "" && body != c.body {
			t.Errorf("%s: %d %q; want %d %q", line, status, body, c.status, c.body)
		}
		if status == 405 && header.Get("Allow") == "" {
			t.Errorf("%s: no Allow header", line)
		}
		if strings.HasPrefix(line, "GET /metrics ") && status == 200 && header.Get("Content-Type") != metricsType {
			t.Errorf("%s: content type %q", line, header.Get("Content-Type"))
		}
	}
	mu.Lock()
	sick = errors.New("the recording is ending")
	mu.Unlock()
	if status, _, body := say(t, s, get("/healthz", "localhost")); status != 503 || body != "the recording is ending\n" {
		t.Errorf("/healthz of a sick one: %d %q", status, body)
	}
}

func TestLongHeadersAreRefused(t *testing.T) {
	s := start(t, Config{})
	c, err := net.Dial("tcp", s.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	// The server does not read to the end, so that writing to it may fail before its answer is read.
	if _, err := io.WriteString(c, "GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: "+strings.Repeat("x", 2*maxHeaderBytes)); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(c).ReadString('\n')
	if err != nil || !strings.Contains(line, " 431 ") {
		t.Errorf("headers of %d bytes: %q, %v; want 431", 2*maxHeaderBytes, line, err)
	}
}

func TestConnectionsAreBounded(t *testing.T) {
	s := start(t, Config{Metrics: func(io.Writer) error { return nil }})
	var open []net.Conn
	for range maxConnections {
		c, err := net.Dial("tcp", s.listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, c)
	}
	// The next one is accepted by the kernel and closed by the server, unheard.
	c, err := net.Dial("tcp", s.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if err := c.SetReadDeadline(time.Now().Add(readHeaderTimeout / 2)); err != nil {
		t.Fatal(err)
	}
	if n, err := c.Read(make([]byte, 1)); n != 0 || !closedByPeer(err) {
		t.Errorf("a connection too many reads %d, %v; want it closed", n, err)
	}
	for _, c := range open {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
	// The places come back.
	for deadline := time.Now().Add(5 * time.Second); ; {
		r, err := http.Get(s.URL() + "/healthz")
		if err == nil {
			r.Body.Close()
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("after all connections were closed: %v", err)
		}
	}
}

func closedByPeer(err error) bool {
	var timeout net.Error
	return err != nil && !(errors.As(err, &timeout) && timeout.Timeout())
}

func TestCloseEndsInGoodOrder(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	s, err := Listen(":0")
	if err != nil {
		t.Fatal(err)
	}
	s.Start(Config{Metrics: func(w io.Writer) error {
		close(entered)
		<-leave
		_, err := io.WriteString(w, "whole\n")
		return err
	}})
	got := make(chan string, 1)
	go func() {
		r, err := http.Get(s.URL() + "/metrics")
		if err != nil {
			got <- err.Error()
			return
		}
		defer r.Body.Close()
		body, err := io.ReadAll(r.Body)
		got <- fmt.Sprint(string(body), err)
	}()
	<-entered
	time.AfterFunc(50*time.Millisecond, func() { close(leave) })
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if text := <-got; text != "whole\n<nil>" {
		t.Errorf("the request under way got %q", text)
	}
	if _, err := http.Get(s.URL() + "/metrics"); err == nil {
		t.Error("a closed server answers")
	}
}

func TestListenOnTakenPort(t *testing.T) {
	s := start(t, Config{})
	if _, err := Listen(s.listener.Addr().String()); err == nil || !strings.HasPrefix(err.Error(), "listening on 127.0.0.1:") {
		t.Errorf("a port that is taken: %v", err)
	}
	unused, err := Listen(":0")
	if err != nil {
		t.Fatal(err)
	}
	if err := unused.Close(); err != nil {
		t.Errorf("closing one that was never started: %v", err)
	}
}

package serve

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// The bounds of a server. A scraper asks every few seconds, reads at once, and keeps one connection.
const (
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 10 * time.Second
	writeTimeout      = 30 * time.Second
	idleTimeout       = 2 * time.Minute
	maxHeaderBytes    = 8 << 10
	maxConnections    = 32
	closeTimeout      = 2 * time.Second
)

// metricsType is the content type of Prometheus' text format; see prometheus.io/docs/instrumenting/exposition_formats.
const metricsType = "text/plain; version=0.0.4; charset=utf-8"

// Config is what a server serves.
type Config struct {
	Metrics func(io.Writer) error // writes Prometheus' text format; called by one request at a time
	Health  func() error          // nil: well
	Log     func(string)          // nil: nothing is said; told what went wrong with a connection, a line each
	Pages   map[string]Page       // further pages, by path
}

// Page writes a page of its own content type.
type Page struct {
	Type  string
	Write func(io.Writer) error
}

// Server is a listener, bound, and what answers on it.
type Server struct {
	listener net.Listener
	http     *http.Server
	config   Config
	local    bool
	render   sync.Mutex
	done     chan error
}

// Listen binds an address; nothing is answered before Start. It is separate, so that a recorder can bind while it still has its privileges.
func Listen(address string) (*Server, error) {
	address, err := ParseAddress(address)
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		var op *net.OpError
		if errors.As(err, &op) {
			err = op.Err
		}
		return nil, fmt.Errorf("listening on %s: %w", address, err)
	}
	return &Server{listener: &bounded{Listener: l, free: slots(maxConnections)}, local: local(l.Addr()), done: make(chan error, 1)}, nil
}

// URL is where the server is reached.
func (s *Server) URL() string { return "http://" + s.listener.Addr().String() }

// Start begins to answer.
func (s *Server) Start(c Config) {
	s.config = c
	s.http = &http.Server{
		Handler:           s,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          log.New(logWriter{c.Log}, "", 0),
	}
	go func() { s.done <- s.http.Serve(s.listener) }()
}

// Close answers the requests that are under way, for a moment, and ends.
func (s *Server) Close() error {
	if s.http == nil {
		return s.listener.Close()
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	err := s.http.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = s.http.Close() // a client that reads slowly does not hold the recording up
	}
	if serveErr := <-s.done; !errors.Is(serveErr, http.ErrServerClosed) {
		err = errors.Join(err, fmt.Errorf("serving metrics: %w", serveErr))
	}
	return err
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	if s.local && !allowedHost(r.Host) {
		http.Error(w, "this server answers to addresses and localhost only", http.StatusForbidden)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		h.Set("Allow", "GET, HEAD")
		http.Error(w, "only GET and HEAD", http.StatusMethodNotAllowed)
		return
	}
	switch page, ok := s.config.Pages[r.URL.Path]; {
	case ok:
		s.write(w, page)
	case r.URL.Path == "/metrics":
		s.write(w, Page{Type: metricsType, Write: s.config.Metrics})
	case r.URL.Path == "/healthz":
		s.health(w)
	default:
		http.Error(w, "not found: /metrics and /healthz are here", http.StatusNotFound)
	}
}

// write renders a page whole before it sends it, so that half a page never passes for one. One request renders at a time: many scrapers
// cost no more memory than one.
func (s *Server) write(w http.ResponseWriter, p Page) {
	var text bytes.Buffer
	s.render.Lock()
	err := p.Write(&text)
	s.render.Unlock()
	if err != nil {
		s.log(fmt.Sprintf("writing a page: %v", err))
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", p.Type)
	w.Header().Set("Content-Length", fmt.Sprint(text.Len()))
	if _, err := w.Write(text.Bytes()); err != nil {
		s.log(fmt.Sprintf("sending a page: %v", err))
	}
}

func (s *Server) health(w http.ResponseWriter) {
	if s.config.Health != nil {
		if err := s.config.Health(); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if _, err := io.WriteString(w, "ok\n"); err != nil {
		s.log(fmt.Sprintf("sending a page: %v", err))
	}
}

func (s *Server) log(text string) {
	if s.config.Log != nil {
		s.config.Log(text)
	}
}

// logWriter hands the lines of net/http's own log on.
type logWriter struct{ log func(string) }

func (l logWriter) Write(p []byte) (int, error) {
	if l.log != nil {
		l.log(strings.TrimRight(string(p), "\n"))
	}
	return len(p), nil
}

// bounded is a listener with at most so many connections at a time. Those beyond it are closed at once: a client that is told no tries
// again, one that waits unheard does not know why.
type bounded struct {
	net.Listener
	free chan struct{}
}

func slots(n int) chan struct{} {
	c := make(chan struct{}, n)
	for range n {
		c <- struct{}{}
	}
	return c
}

// Accept waits for the next connection that there is room for.
func (b *bounded) Accept() (net.Conn, error) {
	for {
		c, err := b.Listener.Accept()
		if err != nil {
			return nil, err
		}
		select {
		case <-b.free:
			return &slotted{Conn: c, give: sync.OnceFunc(func() { b.free <- struct{}{} })}, nil
		default:
			if err := c.Close(); err != nil {
				return nil, err
			}
		}
	}
}

// slotted is a connection that gives its place back when it is closed.
type slotted struct {
	net.Conn
	give func()
}

func (c *slotted) Close() error {
	defer c.give()
	return c.Conn.Close()
}

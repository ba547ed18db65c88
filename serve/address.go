package serve

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// loopback is where an address without a host listens.
const loopback = "127.0.0.1"

// AddressError is returned for an address that cannot be listened on as it is written.
type AddressError struct {
	Address string
	Cause   string
	Hint    string
}

func (e *AddressError) Error() string {
	return fmt.Sprintf("reading address %q: %s", e.Address, e.Cause)
}

// Hints says what to type instead.
func (e *AddressError) Hints() []string { return []string{e.Hint} }

// ParseAddress reads HOST:PORT, where an empty host is loopback: the metrics of a host tell who runs what on it, and are not published
// by leaving a word out.
func ParseAddress(text string) (string, error) {
	const form = ":9435 is port 9435 of loopback, 0.0.0.0:9435 that of every interface"
	if _, err := strconv.ParseUint(text, 10, 16); err == nil {
		return "", &AddressError{text, "a port alone", "with a colon: :" + text}
	}
	if _, rest, found := strings.Cut(text, "://"); found {
		return "", &AddressError{text, "a URL", "without the scheme and the path: " + strings.TrimSuffix(strings.TrimSuffix(rest, "/metrics"), "/")}
	}
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		return "", &AddressError{text, "not HOST:PORT", form}
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return "", &AddressError{text, fmt.Sprintf("%q is not a port", port), form}
	}
	if host == "" {
		host = loopback
	}
	return net.JoinHostPort(host, port), nil
}

// local reports whether a listener's address can be reached from this host only.
func local(addr net.Addr) bool {
	ap, err := netip.ParseAddrPort(addr.String())
	return err == nil && ap.Addr().Unmap().IsLoopback()
}

// allowedHost reports whether a request's Host header may reach a loopback listener: an address, or the name that every system gives to
// loopback. A name of anybody's choice that resolves to 127.0.0.1 is how a web page would read what only this host should.
func allowedHost(header string) bool {
	host := header
	if h, _, err := net.SplitHostPort(header); err == nil {
		host = h
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}

package admin

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// Guard refuses requests that do not come from an operator.
type Guard struct {
	// Hosts are the server's own names. Loopback names and IP addresses need not be
	// listed.
	Hosts []string
}

// Protect returns a handler that passes a request to next only if its Host is one of
// the server's own names and no other site's page has sent it. This prevents two
// attacks:
//
//   - A site can make its name resolve to 127.0.0.1 and so talk to a server there (DNS
//     rebinding). The Host is then the site's name.
//   - A page can load a URL of the server that it can't read but that is expensive to
//     serve. Browsers report where a request comes from (Fetch Metadata, W3C).
//
// No answer may be read across origins, framed or cached.
func (g Guard) Protect(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		protect(w.Header(), "default-src 'none'; frame-ancestors 'none'")
		w.Header().Set("X-Frame-Options", "DENY")
		switch {
		case !overSocket(r) && !g.isOwn(r.Host):
			say(w, http.StatusMisdirectedRequest, "unknown host name: see --admin-host")
		case isCrossSite(r):
			say(w, http.StatusForbidden, "requests from other sites are refused")
		default:
			next.ServeHTTP(w, r)
		}
	})
}

func protect(h http.Header, policy string) {
	h.Set("Content-Security-Policy", policy)
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
}

// isOwn reports whether a Host, with or without a port, is the server's own. An address
// always is, because rebinding needs a name. So is an empty Host, which health checks
// over HTTP/1.0 send.
func (g Guard) isOwn(host string) bool {
	name := hostName(host)
	if name == "" || name == "localhost" || strings.HasSuffix(name, ".localhost") {
		return true
	}
	if _, err := netip.ParseAddr(name); err == nil {
		return true
	}
	return slices.ContainsFunc(g.Hosts, func(own string) bool { return hostName(own) == name })
}

// hostName returns a Host in lower case, without port, brackets and final dot.
func hostName(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

// isCrossSite reports whether another site's page has sent the request. A link to the
// front page is allowed.
func isCrossSite(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "same-origin", "none":
		return false
	}
	return r.URL.Path != "/" || r.Header.Get("Sec-Fetch-Mode") != "navigate"
}

// localOnly returns a handler that refuses other hosts unless open is true.
func localOnly(next http.Handler, open bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if open || fromThisHost(r) {
			next.ServeHTTP(w, r)
			return
		}
		say(w, http.StatusForbidden, "served only to this host: see --admin-open")
	})
}

// fromThisHost reports whether the request came over loopback or a unix socket.
func fromThisHost(r *http.Request) bool {
	if overSocket(r) {
		return true
	}
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	return err == nil && peer.Addr().Unmap().IsLoopback()
}

// overSocket reports whether the request came over a unix socket, which pages can't
// reach.
func overSocket(r *http.Request) bool {
	addr, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	return ok && addr.Network() == "unix"
}

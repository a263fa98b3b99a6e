package admin

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// Guard turns away what does not come from an operator.
type Guard struct {
	// Hosts are the names by which the server may be asked for beside loopback names
	// and IP addresses.
	Hosts []string
}

// Protect returns a handler that serves what asks for the server by a name of its
// own, and that no other site's page has sent:
//
//   - A page of any site can have its name resolve to 127.0.0.1 and so talk to a
//     server there as to its own (DNS rebinding). Its Host is that site's name then.
//   - A page can have the browser load from http://127.0.0.1 what it can't read, but
//     whose making costs something. The browser tells so (Fetch Metadata, W3C).
//
// Nothing is ever allowed across origins, framed or cached.
func (g Guard) Protect(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Cache-Control", "no-store")
		switch {
		case !overSocket(r) && !g.knows(r.Host):
			say(w, http.StatusMisdirectedRequest, "unknown host name: see --admin-host")
		case fromElsewhere(r):
			say(w, http.StatusForbidden, "not for other sites")
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// knows reports whether a Host, with or without a port, is the server's own. These
// are, because a site's page that reaches the server by rebinding has a name and
// sends it: an address, and no name at all, as health checks over HTTP/1.0 send it.
func (g Guard) knows(host string) bool {
	name := hostName(host)
	if name == "" || name == "localhost" || strings.HasSuffix(name, ".localhost") {
		return true
	}
	if _, err := netip.ParseAddr(name); err == nil {
		return true
	}
	return slices.ContainsFunc(g.Hosts, func(known string) bool { return hostName(known) == name })
}

// hostName is a Host without the port, in the form in which names are compared.
func hostName(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

// fromElsewhere tells that another site's page has sent the request. A link to the
// front page is all right.
func fromElsewhere(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "same-origin", "none":
		return false
	}
	return r.URL.Path != "/" || r.Header.Get("Sec-Fetch-Mode") != "navigate"
}

// local returns a handler that serves this host, and others where open says so.
func (g Guard) local(next http.Handler, open bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if open || fromThisHost(r) {
			next.ServeHTTP(w, r)
			return
		}
		say(w, http.StatusForbidden, "for this host alone: see --admin-open")
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

// overSocket reports whether the request came over a unix socket, which no page can
// reach.
func overSocket(r *http.Request) bool {
	at, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	return ok && at.Network() == "unix"
}

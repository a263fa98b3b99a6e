package admin

import (
	"context"
	"io"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Config is what the handler shows, and to whom.
type Config struct {
	// Metrics is what /metrics shows.
	Metrics prometheus.Gatherer
	// Ready tells whether uploads are taken. It must be safe for concurrent use.
	Ready func() bool
	// Page is shown at / and below what has no other handler. It must set its own
	// Content-Security-Policy where it needs more than nothing at all. Nil: a list
	// of links.
	Page http.Handler
	// Hosts are the names, without a port, by which the handler may be asked for
	// beside loopback names and IP addresses.
	Hosts []string
	// Open shows page and profiles to other hosts too. If false, these get metrics
	// and health alone.
	Open bool
}

const (
	// maxScrapes is how many answers with metrics are made at a time, and scrapeTimeout
	// how long one may take, its waiting for others included.
	maxScrapes    = 8
	scrapeTimeout = 10 * time.Second
)

// New returns a handler of:
//
//	/metrics         metrics, in Prometheus's text format or OpenMetrics
//	/healthz         200 as long as the process can answer
//	/readyz          200 while uploads are taken, else 503
//	/debug/pprof/    profiles (net/http/pprof), without the command line
//	/                the page
func New(cfg Config) http.Handler {
	forAll, forLocal := http.NewServeMux(), http.NewServeMux()
	metrics := inTurn(maxScrapes, promhttp.HandlerFor(cfg.Metrics, promhttp.HandlerOpts{EnableOpenMetrics: true}))
	// It keeps the answer until that is complete, so no client's slowness holds up others.
	metrics = http.TimeoutHandler(metrics, scrapeTimeout, "the metrics were not ready in time\n")
	forAll.Handle("/metrics", withOptions(reading(whole(metrics))))
	forAll.HandleFunc("/healthz", probe(func() bool { return true }))
	forAll.HandleFunc("/readyz", probe(cfg.Ready))
	profiles(forLocal)
	page := cfg.Page
	if page == nil {
		page = http.HandlerFunc(links)
	}
	forLocal.Handle("/", page)

	guard := Guard{Hosts: cfg.Hosts}
	forAll.Handle("/", withOptions(guard.local(forLocal, cfg.Open)))
	return guard.Protect(forAll)
}

// inTurn has next serve so many requests at a time. Others wait: to refuse them would
// tell whoever watches the server that it is down.
func inTurn(most int, next http.Handler) http.Handler {
	turns := make(chan struct{}, most)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case turns <- struct{}{}:
			defer func() { <-turns }()
			next.ServeHTTP(w, r)
		case <-r.Context().Done():
		}
	})
}

// probe answers health checks: 200, or 503 where all is not well. Those that ask
// with OPTIONS, as load balancers can, get the same answer.
func probe(well func() bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method != http.MethodOptions && !reads(r):
			refuseMethod(w)
		case well():
			say(w, http.StatusOK, "ok")
		default:
			say(w, http.StatusServiceUnavailable, "not serving")
		}
	}
}

// reading serves GET and HEAD alone.
func reading(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if reads(r) {
			next.ServeHTTP(w, r)
			return
		}
		refuseMethod(w)
	})
}

func reads(r *http.Request) bool { return r.Method == http.MethodGet || r.Method == http.MethodHead }

// allowed are the methods of what is served.
const allowed = "GET, HEAD, OPTIONS"

// withOptions answers OPTIONS in place of next.
func withOptions(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodOptions {
			next.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Allow", allowed)
		w.WriteHeader(http.StatusNoContent)
	})
}

func refuseMethod(w http.ResponseWriter) {
	w.Header().Set("Allow", allowed)
	say(w, http.StatusMethodNotAllowed, "not a method of this path")
}

// whole serves next to its end also where the client has closed its sending side
// behind the request. To net/http that looks as if the client had gone.
func whole(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(context.WithoutCancel(r.Context())))
	})
}

// profiles serves net/http/pprof, but for the command line, which may hold what is
// nobody's business.
func profiles(mux *http.ServeMux) {
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
}

// links is the page where there is no other.
func links(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/" {
		http.NotFound(w, r)
		return
	}
	say(w, http.StatusOK, "scopegate\n\n/metrics\n/healthz\n/readyz\n/debug/pprof/")
}

func say(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text+"\n")
}

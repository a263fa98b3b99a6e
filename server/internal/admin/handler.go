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

// Config says what the handler shows, and to whom.
type Config struct {
	Metrics prometheus.Gatherer
	// Ready reports whether uploads are accepted. It must be safe for concurrent use.
	Ready func() bool
	// Page serves / and all paths without another handler. If nil, / is a list of
	// links. It must set its own Content-Security-Policy if it loads anything.
	Page http.Handler
	// Hosts are the server's own names, without a port. See [Guard].
	Hosts []string
	// Open shows page and profiles to other hosts too. Otherwise they get only metrics
	// and health.
	Open bool
}

const (
	// maxScrapes limits the concurrent scrapes of metrics; others wait. scrapeTimeout
	// limits the time of one, including the wait.
	maxScrapes    = 8
	scrapeTimeout = 10 * time.Second
)

// NewHandler returns a handler of:
//
//	/metrics         metrics, in Prometheus's text format or OpenMetrics
//	/healthz         200 while the process can answer
//	/readyz          200 while uploads are accepted, else 503
//	/debug/pprof/    profiles (net/http/pprof), without the command line
//	/                the page, and all else that [Page] serves
func NewHandler(cfg Config) http.Handler {
	forAll, forLocal := http.NewServeMux(), http.NewServeMux()
	metrics := limit(maxScrapes, promhttp.HandlerFor(cfg.Metrics, promhttp.HandlerOpts{EnableOpenMetrics: true}))
	// TimeoutHandler buffers the answer, so a slow client does not delay others.
	metrics = http.TimeoutHandler(metrics, scrapeTimeout, "the metrics were not ready in time\n")
	forAll.Handle("/metrics", withOptions(readOnly(detached(metrics))))
	forAll.HandleFunc("/healthz", probe(func() bool { return true }))
	forAll.HandleFunc("/readyz", probe(cfg.Ready))
	// Not pprof.Cmdline, as the command line may contain secrets.
	forLocal.HandleFunc("GET /debug/pprof/", pprof.Index)
	forLocal.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	forLocal.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	forLocal.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	page := cfg.Page
	if page == nil {
		page = http.HandlerFunc(links)
	}
	forLocal.Handle("/", page)
	forAll.Handle("/", withOptions(localOnly(forLocal, cfg.Open)))
	return Guard{Hosts: cfg.Hosts}.Protect(forAll)
}

// limit returns a handler in which next serves at most n requests at once. Others wait:
// refusing a scrape would look as if the server were down.
func limit(n int, next http.Handler) http.Handler {
	turns := make(chan struct{}, n)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case turns <- struct{}{}:
			defer func() { <-turns }()
			next.ServeHTTP(w, r)
		case <-r.Context().Done():
		}
	})
}

// probe answers health checks with 200 if ok returns true, else 503. OPTIONS, which load
// balancers can use, gets the same answer.
func probe(ok func() bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method != http.MethodOptions && !isRead(r):
			refuseMethod(w)
		case ok():
			say(w, http.StatusOK, "ok")
		default:
			say(w, http.StatusServiceUnavailable, "not serving")
		}
	}
}

func readOnly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if isRead(r) {
			next.ServeHTTP(w, r)
			return
		}
		refuseMethod(w)
	})
}

func isRead(r *http.Request) bool { return r.Method == http.MethodGet || r.Method == http.MethodHead }

const allowedMethods = "GET, HEAD, OPTIONS"

// withOptions answers OPTIONS itself.
func withOptions(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodOptions {
			next.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Allow", allowedMethods)
		w.WriteHeader(http.StatusNoContent)
	})
}

func refuseMethod(w http.ResponseWriter) {
	w.Header().Set("Allow", allowedMethods)
	say(w, http.StatusMethodNotAllowed, "method not allowed")
}

// detached lets next finish after the client has closed its sending side: net/http takes
// that for a client that has gone, and cancels the request.
func detached(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(context.WithoutCancel(r.Context())))
	})
}

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

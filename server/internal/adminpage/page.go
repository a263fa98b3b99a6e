package adminpage

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"strconv"
	"sync"
	"time"
)

//go:embed assets
var assets embed.FS

// Refresh is how often the page shows something new, and how old at most what a
// visitor gets is: however many there are, a snapshot is taken as often as that.
const Refresh = time.Second

// MaxListeners is how many visitors can have the page kept current at a time. The
// others see it as of when they loaded it.
const MaxListeners = 16

// Page is the page, its assets, and the stream of events that keeps it current. It
// is an [http.Handler] to be mounted at a root of its own.
type Page struct {
	source   func() Snapshot
	template *template.Template
	mux      *http.ServeMux

	listeners chan struct{} // holds a token for each
	closed    chan struct{}
	close     func()

	mu     sync.Mutex
	latest []fragment
	made   time.Time
}

// New returns a page that shows what source returns. That must be safe for
// concurrent use and still return something after Close.
func New(source func() Snapshot) *Page {
	p := &Page{
		source:    source,
		template:  template.Must(template.ParseFS(assets, "assets/*.tmpl")),
		mux:       http.NewServeMux(),
		listeners: make(chan struct{}, MaxListeners),
		closed:    make(chan struct{}),
	}
	p.close = sync.OnceFunc(func() { close(p.closed) })
	p.mux.HandleFunc("GET /{$}", p.servePage)
	p.mux.HandleFunc("GET /events", p.serveEvents)
	p.mux.HandleFunc("GET /assets/page.css", serveAsset("text/css; charset=utf-8", "assets/page.css"))
	p.mux.HandleFunc("GET /assets/page.js", serveAsset("text/javascript; charset=utf-8", "assets/page.js"))
	p.mux.HandleFunc("GET /assets/icon.svg", serveAsset("image/svg+xml", "assets/icon.svg"))
	return p
}

// Close ends the streams of events: an HTTP server that shuts down waits for them.
// The page can still be loaded. Closing again does nothing.
func (p *Page) Close() { p.close() }

// policy lets the page load what comes with it, and nothing else.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// ServeHTTP answers GET and HEAD.
func (p *Page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	p.mux.ServeHTTP(w, r)
}

func (p *Page) servePage(w http.ResponseWriter, _ *http.Request) {
	fragments, err := p.fragments()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	parts := make(map[string]template.HTML, len(fragments))
	for _, f := range fragments {
		parts[f.name] = template.HTML(f.html) //nolint:gosec // a template of ours has written it
	}
	var page bytes.Buffer
	if err := p.template.ExecuteTemplate(&page, "page.html.tmpl", parts); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	write(w, page.Bytes())
}

func serveAsset(contentType, path string) http.HandlerFunc {
	content, err := assets.ReadFile(path)
	if err != nil {
		panic(err) // it was there when this was compiled
	}
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		write(w, content)
	}
}

func write(w http.ResponseWriter, content []byte) {
	w.Header().Set("Content-Length", strconv.Itoa(len(content)))
	_, _ = w.Write(content) // the visitor is gone
}

// fragment is a part of the page that changes, as HTML.
type fragment struct{ name, html string }

// fragmentNames are the templates of all fragments.
var fragmentNames = []string{
	"state", "problems", "tiles", "plots", "uploads", "uploads-count", "failures", "outcomes", "finished", "taken",
}

// fragments returns the page's parts as of now, or of less than a Refresh ago.
func (p *Page) fragments() ([]fragment, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if p.latest != nil && now.Sub(p.made) < Refresh*9/10 {
		return p.latest, nil
	}
	v := newView(p.source())
	fragments := make([]fragment, 0, len(fragmentNames))
	var html bytes.Buffer
	for _, name := range fragmentNames {
		html.Reset()
		if err := p.template.ExecuteTemplate(&html, name, v); err != nil {
			return nil, fmt.Errorf("write %s: %w", name, err)
		}
		fragments = append(fragments, fragment{name, html.String()})
	}
	p.latest, p.made = fragments, now
	return fragments, nil
}

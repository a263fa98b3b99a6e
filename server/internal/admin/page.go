package admin

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

// Refresh is how often the page changes. However many visitors there are, at most one
// snapshot is taken in this time.
const Refresh = time.Second

// MaxListeners limits how many visitors' pages are kept current. The pages of other
// visitors do not change after they are loaded.
const MaxListeners = 16

// Page is an [http.Handler] that serves the page, its assets, the stream of events that
// keeps it current, and its [Status] as JSON. It must be served at the root of a host.
type Page struct {
	source   func() Snapshot
	template *template.Template
	mux      *http.ServeMux

	listeners chan struct{} // one token per listener
	closed    chan struct{}
	close     func()

	mu     sync.Mutex
	latest view
	taken  time.Time  // when latest was; zero at first
	made   []fragment // of latest, if a visitor has asked
	status []byte     // of latest, likewise
}

// NewPage returns a page that shows what source returns. Source must be safe for
// concurrent use, also after Close.
func NewPage(source func() Snapshot) *Page {
	p := &Page{
		source:    source,
		template:  template.Must(template.New("").Funcs(functions).ParseFS(assets, "assets/*.tmpl")),
		mux:       http.NewServeMux(),
		listeners: make(chan struct{}, MaxListeners),
		closed:    make(chan struct{}),
	}
	p.close = sync.OnceFunc(func() { close(p.closed) })
	p.mux.HandleFunc("GET /{$}", p.servePage)
	p.mux.HandleFunc("GET /events", p.serveEvents)
	p.mux.HandleFunc("GET /status.json", p.serveStatus)
	p.mux.HandleFunc("GET /assets/page.css", serveAsset("text/css; charset=utf-8", "assets/page.css"))
	p.mux.HandleFunc("GET /assets/page.js", serveAsset("text/javascript; charset=utf-8", "assets/page.js"))
	p.mux.HandleFunc("GET /assets/icon.svg", serveAsset("image/svg+xml", "assets/icon.svg"))
	return p
}

// Close ends the streams of events, which would delay the shutdown of an HTTP server.
// The page can still be loaded. Closing again does nothing.
func (p *Page) Close() { p.close() }

// policy lets the page load its own assets only.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// ServeHTTP answers GET and HEAD.
func (p *Page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	protect(h, policy)
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
		parts[f.name] = template.HTML(f.html) //nolint:gosec // written by our template
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
		panic(err) // it is embedded
	}
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		write(w, content)
	}
}

func write(w http.ResponseWriter, content []byte) {
	w.Header().Set("Content-Length", strconv.Itoa(len(content)))
	_, _ = w.Write(content) // the visitor may be gone
}

// fragment is a part of the page that changes.
type fragment struct{ name, html string }

var fragmentNames = []string{
	"state", "problems", "tiles", "plots", "uploads", "uploads-count", "failures", "outcomes", "finished", "taken",
}

// look takes a snapshot if the latest is too old. The caller holds mu.
func (p *Page) look() {
	if now := time.Now(); p.taken.IsZero() || now.Sub(p.taken) >= Refresh*9/10 {
		p.latest, p.taken, p.made, p.status = newView(p.source()), now, nil, nil
	}
}

// fragments returns all fragments, less than a Refresh old.
func (p *Page) fragments() ([]fragment, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.look()
	if p.made != nil {
		return p.made, nil
	}
	fragments := make([]fragment, 0, len(fragmentNames))
	var html bytes.Buffer
	for _, name := range fragmentNames {
		html.Reset()
		if err := p.template.ExecuteTemplate(&html, name, p.latest); err != nil {
			return nil, fmt.Errorf("write %s: %w", name, err)
		}
		fragments = append(fragments, fragment{name, html.String()})
	}
	p.made = fragments
	return fragments, nil
}

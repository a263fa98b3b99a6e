package adminpage

import (
	"encoding/json"
	"net/http"
	"time"
)

const (
	// eventTimeout is how long a listener may take to read an event.
	eventTimeout = 10 * time.Second
	// beatInterval is how often a listener is sent something, though nothing has
	// changed.
	beatInterval = 15 * time.Second
	// fullRetry is when a visitor is asked to try again, who found no place.
	fullRetry = "10"
)

// serveEvents sends the fragments that have changed, as server-sent events (HTML
// Standard, section 9.2), first all of them, until the listener goes or the page is
// closed. The field data is an object of HTML by fragment.
func (p *Page) serveEvents(w http.ResponseWriter, r *http.Request) {
	select {
	case <-p.closed:
		http.Error(w, "the server has stopped", http.StatusServiceUnavailable)
		return
	default:
	}
	select {
	case p.listeners <- struct{}{}:
		defer func() { <-p.listeners }()
	default:
		w.Header().Set("Retry-After", fullRetry)
		http.Error(w, "too many listeners", http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	l := listener{to: w, control: http.NewResponseController(w), sent: make(map[string]string, len(fragmentNames))}
	ticker := time.NewTicker(Refresh)
	defer ticker.Stop()
	for {
		fragments, err := p.fragments()
		if err != nil || l.send(fragments) != nil {
			return
		}
		select {
		case <-ticker.C:
		case <-r.Context().Done():
			return
		case <-p.closed:
			return
		}
	}
}

// listener is a visitor who has the page kept current.
type listener struct {
	to      http.ResponseWriter
	control *http.ResponseController
	sent    map[string]string // by fragment
	at      time.Time         // of the last event
}

// send sends what is new to the listener.
func (l *listener) send(fragments []fragment) error {
	changed := make(map[string]string)
	for _, f := range fragments {
		// What is empty is sent too: the listener may have had something there before.
		if before, sent := l.sent[f.name]; !sent || before != f.html {
			changed[f.name], l.sent[f.name] = f.html, f.html
		}
	}
	now := time.Now()
	event := []byte(": nothing is new\n\n")
	switch {
	case len(changed) > 0:
		data, err := json.Marshal(changed) // it is one line
		if err != nil {
			return err
		}
		event = append([]byte("data: "), data...)
		event = append(event, "\n\n"...)
	case now.Sub(l.at) < beatInterval:
		return nil
	}
	l.at = now
	// Where no deadline can be set, the server's own is in force.
	_ = l.control.SetWriteDeadline(now.Add(eventTimeout))
	if _, err := l.to.Write(event); err != nil {
		return err
	}
	return l.control.Flush()
}

package admin

import (
	"encoding/json"
	"net/http"
	"time"
)

const (
	// eventTimeout limits the time that a listener takes to read an event.
	eventTimeout = 10 * time.Second
	// heartbeatInterval is the longest time between two events.
	heartbeatInterval = 15 * time.Second
	// retryAfterSeconds is sent to visitors over MaxListeners.
	retryAfterSeconds = "10"
)

// serveEvents sends all fragments, then those that change, as server-sent events (HTML
// Standard, section 9.2), until the listener leaves or the page is closed. The data of an
// event is an object of HTML by fragment.
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
		w.Header().Set("Retry-After", retryAfterSeconds)
		http.Error(w, "too many listeners", http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	l := listener{writer: w, control: http.NewResponseController(w), sent: make(map[string]string, len(fragmentNames))}
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

// listener is a visitor whose page is kept current.
type listener struct {
	writer  http.ResponseWriter
	control *http.ResponseController
	sent    map[string]string // by fragment
	sentAt  time.Time
}

// send sends the fragments that have changed, or a heartbeat if one is due.
func (l *listener) send(fragments []fragment) error {
	changed := make(map[string]string)
	for _, f := range fragments {
		if before, ok := l.sent[f.name]; !ok || before != f.html {
			changed[f.name], l.sent[f.name] = f.html, f.html
		}
	}
	now := time.Now()
	event := []byte(": no change\n\n")
	switch {
	case len(changed) > 0:
		data, err := json.Marshal(changed) // one line
		if err != nil {
			return err
		}
		event = append([]byte("data: "), data...)
		event = append(event, "\n\n"...)
	case now.Sub(l.sentAt) < heartbeatInterval:
		return nil
	}
	l.sentAt = now
	// If no deadline can be set, the server's own applies.
	_ = l.control.SetWriteDeadline(now.Add(eventTimeout))
	if _, err := l.writer.Write(event); err != nil {
		return err
	}
	return l.control.Flush()
}

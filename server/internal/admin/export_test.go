package admin

import "time"

// What is tested by itself.
var (
	Visible      = visible
	BytesText    = bytesText
	DurationText = durationText
	CountText    = count
	LinePath     = line
	AreaPath     = area
)

// Forget has the next visitor get a page made anew.
func (p *Page) Forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.taken = time.Time{}
}

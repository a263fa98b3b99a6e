package uploading

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"

	"github.com/scopegate/scopegate/client"
	"github.com/scopegate/scopegate/cmd/scopegate/internal/settings"
)

// Progress shows the progress of an upload.
type Progress interface {
	// Advance shows that scopeCount scopes were sent, and done units read.
	Advance(scopeCount int, done int64)
	// Retry shows that the upload resumes after a failure.
	Retry(event client.RetryEvent)
	// Wait shows for how long the server has accepted nothing, after scopeCount scopes
	// were sent. It may be called by any goroutine.
	Wait(scopeCount int, since time.Duration)
	// End is called once, after all other methods.
	End(succeeded bool)
}

// NewProgress returns a progress that shows a bar if w is a terminal, and otherwise lines.
func NewProgress(w io.Writer, src *Source) Progress {
	if IsTerminal(w) {
		return newBar(w, src)
	}
	return &progressLines{w: w, unit: src.unit, total: src.total, now: time.Now}
}

// IsTerminal reports whether w is a terminal.
func IsTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// NoProgress returns a progress that shows nothing.
func NoProgress() Progress { return noProgress{} }

type noProgress struct{}

func (noProgress) Advance(int, int64)      {}
func (noProgress) Retry(client.RetryEvent) {}
func (noProgress) Wait(int, time.Duration) {}
func (noProgress) End(bool)                {}

func retryLine(event client.RetryEvent) string {
	line := fmt.Sprintf("%v; retrying in %v", event.Err, event.Wait.Round(time.Millisecond))
	switch {
	case event.StartsOver:
		line += " from the beginning, as upload " + event.UploadID
	case event.AcceptedScopeCount > 0:
		line += fmt.Sprintf(" after the %s accepted", settings.FormatCount(event.AcceptedScopeCount, "scope"))
	}
	return line
}

func waitLine(scopeCount int, since time.Duration) string {
	return fmt.Sprintf("waiting for the server: nothing accepted for %v, %s sent; it may be waiting for its intake",
		since.Round(time.Second), settings.FormatCount(int64(scopeCount), "scope"))
}

// lineInterval is the least time between two lines.
const lineInterval = time.Second

// progressLines prints a line each lineInterval, and so none for a shorter upload.
type progressLines struct {
	unit  unit
	total int64
	now   func() time.Time
	last  time.Time

	mu sync.Mutex
	w  io.Writer
}

func (p *progressLines) print(line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprintln(p.w, line)
}

func (p *progressLines) Advance(scopeCount int, done int64) {
	now := p.now()
	if p.last.IsZero() {
		p.last = now
	}
	if now.Sub(p.last) < lineInterval {
		return
	}
	p.last = now
	p.print(fmt.Sprintf("uploading: %s, %s", settings.FormatCount(int64(scopeCount), "scope"), p.unit.format(done, p.total)))
}

func (p *progressLines) End(bool) {}

func (p *progressLines) Retry(event client.RetryEvent) { p.print(retryLine(event)) }

func (p *progressLines) Wait(scopeCount int, since time.Duration) {
	p.print(waitLine(scopeCount, since))
}

func (u unit) format(done, total int64) string {
	show := func(n int64) string {
		if u == unitBytes {
			return settings.FormatBytes(n)
		}
		return settings.FormatCount(n, string(u))
	}
	if total <= 0 {
		return show(done)
	}
	return fmt.Sprintf("%s of %s (%d%%)", show(done), show(total), 100*done/total)
}

// bar is a progress bar. Its own goroutine draws it until End.
type bar struct {
	container *mpb.Progress
	bar       *mpb.Bar
	total     int64
}

func newBar(w io.Writer, src *Source, options ...mpb.ContainerOption) *bar {
	options = append([]mpb.ContainerOption{mpb.WithOutput(w), mpb.WithWidth(64)}, options...)
	container := mpb.New(options...)
	// A bar created with its total can complete only by reaching it.
	drawn := container.AddBar(0,
		mpb.PrependDecorators(decor.Name("uploading ")),
		mpb.AppendDecorators(decor.Any(func(s decor.Statistics) string {
			return " " + src.unit.format(s.Current, s.Total)
		})),
	)
	drawn.SetTotal(src.total, false)
	return &bar{container: container, bar: drawn, total: src.total}
}

func (b *bar) Advance(_ int, done int64) { b.bar.SetCurrent(done) }

func (b *bar) Retry(event client.RetryEvent) {
	_, _ = fmt.Fprintln(b.container, retryLine(event)) // above the bar
}

func (b *bar) Wait(scopeCount int, since time.Duration) {
	_, _ = fmt.Fprintln(b.container, waitLine(scopeCount, since))
}

func (b *bar) End(succeeded bool) {
	if succeeded {
		b.bar.SetCurrent(max(b.total, b.bar.Current()))
		b.bar.SetTotal(-1, true)
	} else {
		b.bar.Abort(false)
	}
	b.container.Wait()
}

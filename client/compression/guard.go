package compression

import "sync"

// guards are what is asked before a message is decompressed.
type guards struct {
	mu     sync.RWMutex
	checks map[*func() error]struct{}
}

// admission is that of both compressors: gRPC's table is one for the process, and
// does not say for which server a message is.
var admission = guards{checks: map[*func() error]struct{}{}}

// add has check asked before each message is decompressed, until remove is called:
// its error is why the message is refused.
func (g *guards) add(check func() error) (remove func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.checks[&check] = struct{}{}
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		delete(g.checks, &check)
	}
}

func (g *guards) ask() error {
	g.mu.RLock()
	defer g.mu.RUnlock()
	for check := range g.checks {
		if err := (*check)(); err != nil {
			return err
		}
	}
	return nil
}

// Package pause waits for a while.
package pause

import (
	"context"
	"time"
)

// For returns nil after d. If ctx is done earlier, it returns the cause at once.
func For(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

package memory

// Counts counts what the budget has done.
type Counts struct {
	// Squeezes counts the requests to hold less, and Ends those to end.
	Squeezes, Ends int64
	// Pauses counts the reads that had to wait for relief.
	Pauses int64
	// The refusals, by the limit that was reached: on all uploads, one service's or one
	// tenant's, and on all bytes, one service's or one tenant's.
	RefusedUploads, RefusedServiceUploads, RefusedTenantUploads int64
	RefusedBytes, RefusedServiceBytes, RefusedTenantBytes       int64
}

// Counts returns the counts so far.
func (b *Budget) Counts() Counts {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.counts
}

// count counts a refusal and returns it. The caller must hold mu.
func (b *Budget) count(refusal *OverloadError) error {
	counter := &b.counts.RefusedBytes
	switch {
	case refusal.Tenant && refusal.Uploads > 0:
		counter = &b.counts.RefusedTenantUploads
	case refusal.Tenant:
		counter = &b.counts.RefusedTenantBytes
	case refusal.Name != "" && refusal.Uploads > 0:
		counter = &b.counts.RefusedServiceUploads
	case refusal.Name != "":
		counter = &b.counts.RefusedServiceBytes
	case refusal.Uploads > 0:
		counter = &b.counts.RefusedUploads
	}
	*counter++
	return refusal
}

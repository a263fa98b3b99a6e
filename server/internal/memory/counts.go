package memory

// Counts counts what the budget has done.
type Counts struct {
	// Squeezes counts the requests to hold less, and Ends those to end.
	Squeezes, Ends int64
	// Pauses counts the reads that had to wait for relief.
	Pauses int64
	// The refusals, by the limit that was reached: on all uploads, one caller's or one
	// group's, and on all bytes, one caller's or one group's.
	RefusedUploads, RefusedCallerUploads, RefusedGroupUploads int64
	RefusedBytes, RefusedCallerBytes, RefusedGroupBytes       int64
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
	case refusal.Group && refusal.Uploads > 0:
		counter = &b.counts.RefusedGroupUploads
	case refusal.Group:
		counter = &b.counts.RefusedGroupBytes
	case refusal.Caller != "" && refusal.Uploads > 0:
		counter = &b.counts.RefusedCallerUploads
	case refusal.Caller != "":
		counter = &b.counts.RefusedCallerBytes
	case refusal.Uploads > 0:
		counter = &b.counts.RefusedUploads
	}
	*counter++
	return refusal
}

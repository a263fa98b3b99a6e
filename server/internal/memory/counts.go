package memory

// Counts is what the budget has done since it was made.
type Counts struct {
	// Squeezes is how often an account was asked to hold less, and Ends how
	// often one was asked to end.
	Squeezes, Ends int64
	// Pauses is how often a read had to wait for relief.
	Pauses int64
	// The refusals, by the limit that had no room: of all uploads, of one caller's
	// and of one group's, and of all bytes, of one caller's and of one group's.
	RefusedUploads, RefusedCallerUploads, RefusedGroupUploads int64
	RefusedBytes, RefusedCallerBytes, RefusedGroupBytes       int64
}

// Counts returns what the budget has done so far.
func (b *Budget) Counts() Counts {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.counts
}

// count counts a refusal, and returns it. It must be called with mu held.
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

package client

// RefusedScope is a scope that an [Uploader] left out because the server refused it, or
// because it is too large for a batch.
type RefusedScope struct {
	// ScopeType and Name are from the root scope.
	ScopeType, Name string
	// Err is the server's answer, an [*Error]. The indexes in its field violations count
	// the scopes of one stream.
	Err error
}

// UploaderStats counts the scopes of an [Uploader]. Each part of a split scope counts.
// Added is the sum of Accepted, Refused, Dropped and Held.
type UploaderStats struct {
	// Added is how many scopes were added, including dropped ones.
	Added int64
	// Accepted is how many the intake has accepted.
	Accepted int64
	// Refused is how many were left out, see [RefusedScope].
	Refused int64
	// Dropped is how many found no room, or were held when the upload ended: after a
	// permanent failure, by Abandon, or because Close timed out. Some of the latter may
	// have been accepted if an answer was lost.
	Dropped int64
	// Held is how many are not yet accepted.
	Held int64
	// HeldBytes is the size of held scopes and scopes being added, counted as for
	// [WithMaxHeldBytes].
	HeldBytes int
	// BatchCount is how many batches are accepted.
	BatchCount int32
	// FailureCount is how many attempts to send a batch failed.
	FailureCount int64
}

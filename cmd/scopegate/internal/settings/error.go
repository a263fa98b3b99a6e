package settings

// UsageError is a wrong flag, variable, key of the configuration file, or combination of
// them.
type UsageError struct{ Err error }

func (e *UsageError) Error() string { return e.Err.Error() }
func (e *UsageError) Unwrap() error { return e.Err }

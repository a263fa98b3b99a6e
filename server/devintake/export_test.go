package devintake

import "io"

// CheckEnvelope checks an envelope's JSON, and returns the number of scopes.
func CheckEnvelope(raw io.Reader) (scopeCount int, err error) {
	env, err := checkEnvelope(raw, true)
	return env.scopeCount, err
}

// SkipJSON checks that a stream is one JSON text.
func SkipJSON(raw io.Reader) error {
	s := newScanner(raw)
	if err := s.skip(); err != nil {
		return err
	}
	return s.finish()
}

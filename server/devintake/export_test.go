package devintake

import "io"

// CheckEnvelope checks an envelope's JSON, and returns the number of scopes.
func CheckEnvelope(raw io.Reader) (scopeCount int, err error) {
	env, err := checkEnvelope(raw, true, &findings{})
	return env.scopeCount, err
}

// CheckEnvelopeLeniently does so in lenient mode, and returns the deviations too.
func CheckEnvelopeLeniently(raw io.Reader) (scopeCount int, deviations []Deviation, err error) {
	found := &findings{lenient: true}
	env, err := checkEnvelope(raw, true, found)
	return env.scopeCount, found.list, err
}

// SkipJSON checks that a stream is one JSON text.
func SkipJSON(raw io.Reader) error {
	s := newScanner(raw, &findings{})
	if err := s.skip(); err != nil {
		return err
	}
	return s.finish()
}

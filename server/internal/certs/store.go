package certs

import (
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/scopegate/scopegate/server/internal/text"
)

// Store is a TLS configuration that follows its files. Config is safe for concurrent use.
type Store struct {
	files  Files
	build  func(Material) *tls.Config
	logger *slog.Logger

	config  atomic.Pointer[tls.Config]
	invalid atomic.Pointer[string] // what is wrong with the files as they are now; nil if nothing is
	// The watching goroutine owns what follows.
	loaded     contents
	leaf       *x509.Certificate // nil if the files have none
	warned     string            // the last warning, until it no longer applies
	lastWarned time.Time

	stop  chan struct{}
	close func()
	watch sync.WaitGroup
}

// warningInterval is the time between equal warnings.
const warningInterval = time.Hour

// Open reads the files and calls build for their configuration. After they have changed,
// another goroutine calls build again. Open fails if the files can't be read, do not match,
// have expired or are not valid yet. The logger should say what the files are for.
func Open(files Files, build func(Material) *tls.Config, logger *slog.Logger) (*Store, error) {
	s := &Store{files: files, build: build, logger: logger, stop: make(chan struct{})}
	s.close = sync.OnceFunc(func() { close(s.stop) })
	now := time.Now()
	read, err := files.read()
	if err != nil {
		return nil, err
	}
	if err := s.load(read, now); err != nil {
		return nil, err
	}
	s.warnOfExpiry(now)
	return s, nil
}

// Config returns the configuration for new connections. The caller must not change it. It
// is a new pointer after the files have changed.
func (s *Store) Config() *tls.Config { return s.config.Load() }

// Invalid says what is wrong with the files as they are now, or "".
func (s *Store) Invalid() string { return text.OrEmpty(s.invalid.Load()) }

// Watch checks the files at the interval until Close is called. Call it once.
func (s *Store) Watch(interval time.Duration) {
	s.watch.Go(func() {
		ticker := time.NewTicker(interval)
		defer ticker.Stop()
		for {
			select {
			case <-s.stop:
				return
			case now := <-ticker.C:
				s.reload(now)
			}
		}
	})
}

// Close stops watching. The configuration stays. Closing again does nothing.
func (s *Store) Close() {
	s.close()
	s.watch.Wait()
}

// reload loads the files if they have changed.
func (s *Store) reload(now time.Time) {
	read, err := s.files.read()
	if err == nil {
		if read == s.loaded {
			if s.invalid.Swap(nil) != nil {
				s.warned = ""
				s.logger.Info("TLS files valid again: they are those in use")
			}
			s.warnOfExpiry(now)
			return
		}
		if err = s.load(read, now); err == nil {
			s.invalid.Store(nil)
			s.warned = ""
			s.warnOfExpiry(now)
			return
		}
	}
	wrong := err.Error()
	s.invalid.Store(&wrong)
	if !s.mayWarn(wrong, now) {
		return
	}
	attrs := []any{slog.String("error", wrong)}
	if s.leaf != nil {
		attrs = append(attrs, slog.Time("old_expires", s.leaf.NotAfter))
	}
	s.logger.Error("invalid TLS files; keeping previous files", attrs...)
}

func (s *Store) load(read contents, now time.Time) error {
	material, err := s.files.parse(read, now)
	if err != nil {
		return err
	}
	s.loaded, s.leaf = read, nil
	var attrs []any
	if material.Certificate != nil {
		s.leaf = material.Certificate.Leaf
		attrs = append(attrs,
			slog.String("subject", s.leaf.Subject.String()), slog.String("serial", s.leaf.SerialNumber.Text(16)),
			slog.Time("expires", s.leaf.NotAfter))
	}
	if s.files.CA != "" {
		attrs = append(attrs, slog.String("ca", s.files.CA))
	}
	s.config.Store(s.build(material))
	s.logger.Info("TLS files loaded", attrs...)
	return nil
}

// A certificate expires soon when a tenth of its life is left, or maxExpiresSoon if that is
// less. certbot and cert-manager replace it when a third is left.
const (
	expiresSoonPart = 10
	maxExpiresSoon  = 30 * 24 * time.Hour
)

// warnOfExpiry logs that the certificate in use has expired, or will soon.
func (s *Store) warnOfExpiry(now time.Time) {
	if s.leaf == nil {
		return
	}
	left := s.leaf.NotAfter.Sub(now)
	soon := min(s.leaf.NotAfter.Sub(s.leaf.NotBefore)/expiresSoonPart, maxExpiresSoon)
	expires := slog.Time("expires", s.leaf.NotAfter)
	switch {
	case left > soon:
	case left < 0:
		if s.mayWarn("expired", now) {
			s.logger.Error("TLS certificate has expired; its file has no newer one", expires)
		}
	case s.mayWarn("expires", now):
		s.logger.Warn("TLS certificate expires soon", expires, slog.Duration("left", left.Round(time.Second)))
	}
}

// mayWarn reports whether to log the warning: it is a new one, or the last is long ago.
func (s *Store) mayWarn(warning string, now time.Time) bool {
	if warning == s.warned && now.Sub(s.lastWarned) < warningInterval {
		return false
	}
	s.warned, s.lastWarned = warning, now
	return true
}

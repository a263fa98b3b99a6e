package certs

import (
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// Store is a TLS configuration that follows its files. Config may be called by
// anybody at any time.
type Store struct {
	files  Files
	build  func(Material) *tls.Config
	logger *slog.Logger

	config atomic.Pointer[tls.Config]
	// What follows is the watching goroutine's.
	loaded    contents
	leaf      *x509.Certificate // nil: the files hold none
	complaint complaint

	stop  chan struct{}
	close func()
	watch sync.WaitGroup
}

// complaint is what was logged last and is still so.
type complaint struct {
	text string
	at   time.Time
}

// complaintInterval is how often it is logged that a certificate is about to
// expire, or that another one can't be used.
const complaintInterval = time.Hour

// Open reads the files and has build make a configuration of them; build is called
// again, by another goroutine, whenever they have changed. It fails where the files
// can't be read, do not fit together, or have expired or are not valid yet. The
// logger should say what the files are for.
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
	s.remind(now)
	return s, nil
}

// Config returns the configuration for new connections, which must not be
// changed. It is another pointer once the files have changed.
func (s *Store) Config() *tls.Config { return s.config.Load() }

// Watch looks at the files at each interval until Close is called, which it must.
// It is called once.
func (s *Store) Watch(interval time.Duration) {
	s.watch.Go(func() {
		ticker := time.NewTicker(interval)
		defer ticker.Stop()
		for {
			select {
			case <-s.stop:
				return
			case now := <-ticker.C:
				s.look(now)
			}
		}
	})
}

// Close ends the watching. The configuration stays. Closing again does nothing.
func (s *Store) Close() {
	s.close()
	s.watch.Wait()
}

// look loads what has changed.
func (s *Store) look(now time.Time) {
	read, err := s.files.read()
	if err == nil {
		if read == s.loaded {
			s.remind(now)
			return
		}
		if err = s.load(read, now); err == nil {
			s.complaint = complaint{}
			s.remind(now)
			return
		}
	}
	if !s.mayComplain(err.Error(), now) {
		return
	}
	attrs := []any{slog.String("error", err.Error())}
	if s.leaf != nil {
		attrs = append(attrs, slog.Time("old_expires", s.leaf.NotAfter))
	}
	s.logger.Error("new TLS files can't be used, the old ones stay in use", attrs...)
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

// soonPart is the last part of a certificate's life, and soonMost its most, in
// which it should have been replaced: certbot and cert-manager do so when a third
// is left.
const (
	soonPart = 10
	soonMost = 30 * 24 * time.Hour
)

// remind logs that the certificate in use has expired, or is about to.
func (s *Store) remind(now time.Time) {
	if s.leaf == nil {
		return
	}
	left := s.leaf.NotAfter.Sub(now)
	soon := min(s.leaf.NotAfter.Sub(s.leaf.NotBefore)/soonPart, soonMost)
	expires := slog.Time("expires", s.leaf.NotAfter)
	switch {
	case left > soon:
	case left < 0:
		if s.mayComplain("expired", now) {
			s.logger.Error("the TLS certificate in use has expired, and the file has no newer one", expires)
		}
	case s.mayComplain("expires", now):
		s.logger.Warn("the TLS certificate expires soon", expires, slog.Duration("left", left.Round(time.Second)))
	}
}

// mayComplain tells that something else was logged last, or that it was long ago.
func (s *Store) mayComplain(text string, now time.Time) bool {
	if text == s.complaint.text && now.Sub(s.complaint.at) < complaintInterval {
		return false
	}
	s.complaint = complaint{text: text, at: now}
	return true
}

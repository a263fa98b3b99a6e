package selfupload

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"time"

	"github.com/scopegate/scopegate/client"
	"github.com/scopegate/scopegate/client/gosym"
)

// Defaults of the options with these names.
const (
	DefaultMaxDelay     = time.Minute
	DefaultFirstBackoff = time.Minute
	DefaultMaxBackoff   = time.Hour
	DefaultCPUShare     = 0.05
)

// maxTotalShare bounds the default share of all cores. A program without an idle core loses
// about 1.6 times the share, because the garbage of the upload has to be collected too.
const maxTotalShare = 0.01

// longestWait bounds the waits that follow from the options, so that no time overflows.
const longestWait = 100 * 365 * 24 * time.Hour

// Option is a setting of [Start]. If an option is given several times, the last one
// applies, except for [WithSymbols] and [WithClient].
type Option func(*settings)

type settings struct {
	addr       string
	executable string
	metadata   client.Metadata
	symbols    []gosym.Option
	client     []client.Option
	maxDelay   time.Duration
	backoff    struct{ first, most time.Duration }
	cpuShare   float64
	logger     *slog.Logger
	onDone     func(client.Result, error)
}

func newSettings(options []Option) (*settings, error) {
	s := &settings{
		maxDelay: DefaultMaxDelay,
		cpuShare: min(DefaultCPUShare, maxTotalShare*float64(runtime.GOMAXPROCS(0))),
		logger:   slog.New(slog.DiscardHandler),
		onDone:   func(client.Result, error) {},
	}
	s.backoff.first, s.backoff.most = DefaultFirstBackoff, DefaultMaxBackoff
	for _, option := range options {
		option(s)
	}
	if s.logger != nil {
		s.client = append([]client.Option{client.WithLogger(s.logger)}, s.client...)
	}
	s.maxDelay = min(s.maxDelay, longestWait)
	switch {
	case s.maxDelay < 0:
		return nil, fmt.Errorf("WithMaxDelay: %v is negative", s.maxDelay)
	case s.backoff.first <= 0 || s.backoff.most < s.backoff.first:
		return nil, fmt.Errorf("WithBackoff: %v to %v is not a range of positive times", s.backoff.first, s.backoff.most)
	case !(0 < s.cpuShare && s.cpuShare <= 1): // NaN is wrong too
		return nil, fmt.Errorf("WithCPUShare: %v is not above 0 and at most 1", s.cpuShare)
	case s.logger == nil:
		return nil, errors.New("WithLogger: nil")
	case s.onDone == nil:
		return nil, errors.New("WithOnDone: nil")
	}
	return s, nil
}

// WithMetadata describes this process to the server, for example its environment. Fields
// that are set replace those of [gosym.Binary.Metadata]; the tags of both are sent.
func WithMetadata(metadata client.Metadata) Option {
	return func(s *settings) { s.metadata = metadata }
}

// WithSymbols adds options for reading the symbols, such as [gosym.WithInclude]. By default
// the packages of the main module are uploaded.
func WithSymbols(options ...gosym.Option) Option {
	return func(s *settings) { s.symbols = append(s.symbols, options...) }
}

// WithClient adds options for the connection and the upload, such as [client.WithToken].
func WithClient(options ...client.Option) Option {
	return func(s *settings) { s.client = append(s.client, options...) }
}

// WithExecutable reads the symbols from another file than this program's executable:
// because that is stripped, or in a test, since tests have no DWARF.
func WithExecutable(path string) Option {
	return func(s *settings) { s.executable = path }
}

// WithMaxDelay sets the longest delay before the upload begins. It begins at a random time,
// because the processes of a fleet may start together. Default [DefaultMaxDelay].
func WithMaxDelay(d time.Duration) Option {
	return func(s *settings) { s.maxDelay = d }
}

// WithBackoff sets the longest wait after the first failed attempt. It doubles with each
// further failure, up to most. Within an attempt, the upload resumes after short failures,
// see [client.WithBackoff]. Default [DefaultFirstBackoff] and [DefaultMaxBackoff].
func WithBackoff(first, most time.Duration) Option {
	return func(s *settings) { s.backoff.first, s.backoff.most = first, most }
}

// WithCPUShare sets the share of one core that the upload uses, above 0 and at most 1. The
// default is [DefaultCPUShare], or 1 % of GOMAXPROCS if that is less, so that a program
// that keeps all cores busy loses less than 2 % of its throughput.
func WithCPUShare(share float64) Option {
	return func(s *settings) { s.cpuShare = share }
}

// WithLogger logs the outcome and each failure. By default nothing is logged.
func WithLogger(logger *slog.Logger) Option {
	return func(s *settings) { s.logger = logger }
}

// WithOnDone sets a function that is called with the outcome, see [Upload.Wait]. The upload
// ends once it returns, so it must not wait for the upload.
func WithOnDone(done func(client.Result, error)) Option {
	return func(s *settings) { s.onDone = done }
}

// describe returns the metadata of a binary with the program's own.
func (s *settings) describe(binary client.Metadata) client.Metadata {
	m := s.metadata
	if m.Service == "" {
		m.Service = binary.Service
	}
	if m.Version == nil {
		m.Version = binary.Version
	}
	if m.Language == "" {
		m.Language = binary.Language
	}
	m.Tags = append(binary.Tags, m.Tags...)
	return m
}

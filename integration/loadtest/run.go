package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/scopegate/scopegate/server/devintake"
)

// result is what came of a scenario with one server.
type result struct {
	load
	cpu       time.Duration
	peakBytes int64
	// missing is how many scopes of those sent the intake does not have in
	// uploads that are complete and without a violation.
	missing int
}

// runScenario starts a server and an intake, loads them, measures and stops
// them.
func runScenario(ctx context.Context, p programs, s scenario, t target, sent payload) (_ result, err error) {
	in, err := startIntake(ctx)
	if err != nil {
		return result{}, fmt.Errorf("start intake: %w", err)
	}
	defer func() { err = errors.Join(err, in.end()) }()
	server, err := start(ctx, t, in.url, p.dir)
	if err != nil {
		return result{}, fmt.Errorf("start server: %w", err)
	}
	defer func() { err = errors.Join(err, server.end()) }()

	before, err := server.usage()
	if err != nil {
		return result{}, err
	}
	var r result
	var held usage
	if s.hold > 0 {
		r.load, err = runIdle(ctx, s, sent, server.address, func() (err error) {
			held, err = server.usage()
			return err
		})
	} else {
		r.load, err = runGHZ(ctx, p, s, sent, server.address)
	}
	if err != nil {
		return result{}, err
	}
	after, err := server.usage()
	if err != nil {
		return result{}, err
	}
	r.cpu = after.cpu - before.cpu
	r.peakBytes = after.peakBytes
	if s.hold > 0 {
		r.peakBytes = held.peakBytes
	}
	r.missing = s.uploads*sent.scopeCount - in.scopeCount(sent, t)
	for failure, count := range r.failures {
		fmt.Fprintf(os.Stderr, "%s, %s: %d uploads failed: %s\n", s.name, t.name, count, failure)
	}
	fmt.Fprintf(os.Stderr, "%s, %s: %v, %v of CPU, %d MiB\n",
		s.name, t.name, r.took.Round(time.Millisecond), r.cpu, r.peakBytes>>20)
	return r, nil
}

// intake is the development intake in this process. It does not look into
// scopes, so that the machine is left to the servers.
type intake struct {
	*devintake.Intake

	url    string
	web    *http.Server
	served chan error
}

func startIntake(ctx context.Context) (*intake, error) {
	stored, err := devintake.New(devintake.Options{
		SkipScopeCheck: true,
		OnRefusal: func(r devintake.Refusal) {
			fmt.Fprintf(os.Stderr, "the intake refused a batch: %s\n", r.Reason)
		},
	})
	if err != nil {
		return nil, err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	in := &intake{
		Intake: stored,
		url:    "http://" + listener.Addr().String() + "/symdb/v1/input",
		web:    &http.Server{Handler: stored, ReadHeaderTimeout: time.Minute},
		served: make(chan error, 1),
	}
	go func() { in.served <- in.web.Serve(listener) }()
	return in, nil
}

func (in *intake) end() error {
	err := in.web.Close()
	if served := <-in.served; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}

// maxEnvelopeBytes is more than what a batch has around its scopes.
const maxEnvelopeBytes = 512

// scopeCount returns how many scopes came in uploads that are whole. It tells why
// the first one is not.
func (in *intake) scopeCount(sent payload, t target) int {
	var count int
	var told bool
	for _, upload := range in.Uploads() {
		flaw := sent.compare(upload, t)
		if flaw == "" {
			count += upload.ScopeCount
		} else if !told {
			told = true
			fmt.Fprintf(os.Stderr, "upload %s: %s\n", upload.UploadID, flaw)
		}
	}
	return count
}

// compare returns what is wrong with an upload of the payload, or "" where it is
// complete, without a violation, with the number of the payload's scopes and the
// length of their JSON.
func (p payload) compare(upload devintake.Upload, t target) string {
	want := p.jsonBytes
	if t.escapes {
		want = p.escapedBytes
	}
	surplus := upload.RawBytes - want
	switch {
	case len(upload.Violations) > 0:
		return upload.Violations[0].Text
	case !upload.Complete:
		return "it is not complete"
	case upload.ScopeCount != p.scopeCount:
		return fmt.Sprintf("%d scopes, want %d", upload.ScopeCount, p.scopeCount)
	case surplus < 0 || surplus > int64(upload.BatchCount)*maxEnvelopeBytes:
		return fmt.Sprintf("%d bytes of JSON, want %d and the envelopes", upload.RawBytes, want)
	}
	return ""
}

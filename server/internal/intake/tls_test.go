package intake_test

import (
	"crypto/tls"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/scopegate/scopegate/integration/pki"
	"github.com/scopegate/scopegate/server/internal/intake"
)

// secureIntake takes whatever is posted, and keeps who did and from where.
type secureIntake struct {
	*httptest.Server

	mu      sync.Mutex
	serials []*big.Int // of the clients' certificates, nil for none
	peers   []string
}

func (s *secureIntake) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	s.mu.Lock()
	defer s.mu.Unlock()
	var serial *big.Int
	if shown := r.TLS.PeerCertificates; len(shown) > 0 {
		serial = shown[0].SerialNumber
	}
	s.serials, s.peers = append(s.serials, serial), append(s.peers, r.RemoteAddr)
}

// seen returns how many POSTs there were, and the last client's certificate and
// address.
func (s *secureIntake) seen() (count int, serial *big.Int, peer string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	count = len(s.peers)
	if count == 0 {
		return 0, nil, ""
	}
	return count, s.serials[count-1], s.peers[count-1]
}

func newSecureIntake(t *testing.T, config *tls.Config) *secureIntake {
	t.Helper()
	s := &secureIntake{}
	s.Server = httptest.NewUnstartedServer(s)
	s.TLS = config
	s.Config.ErrorLog = discardLog()
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

// once leaves no time for a second attempt, but by a rare chance.
func once() intake.Retry {
	retry := quick()
	retry.MinBackoff, retry.MaxBackoff = 1000*time.Hour, 1000*time.Hour
	return retry
}

func always(config *tls.Config) func() *tls.Config { return func() *tls.Config { return config } }

// TestTLS has intakes that are trusted, and that trust us, or not.
func TestTLS(t *testing.T) {
	t.Parallel()
	own, other := pki.NewAuthority(t, "own"), pki.NewAuthority(t, "other")
	pair, good, foreign := own.Issue(t, "intake").TLS(t), own.Issue(t, "scopegate").TLS(t), other.Issue(t, "scopegate").TLS(t)
	mutual := &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: own.Pool()}
	oneWay := &tls.Config{Certificates: []tls.Certificate{pair}}
	old := &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}
	elsewhere := &tls.Config{Certificates: []tls.Certificate{own.Issue(t, "intake", pki.ForHost("intake.test")).TLS(t)}}
	trust := func(by *pki.Authority, pairs ...tls.Certificate) func() *tls.Config {
		return always(&tls.Config{RootCAs: by.Pool(), Certificates: pairs, MinVersion: tls.VersionTLS12})
	}
	at := func(offset time.Duration) func() *tls.Config {
		return always(&tls.Config{RootCAs: own.Pool(), MinVersion: tls.VersionTLS12, Time: func() time.Time { return time.Now().Add(offset) }})
	}
	for name, test := range map[string]struct {
		intake *tls.Config
		client func() *tls.Config
		want   string // empty: accepted
	}{
		"own authority":         {oneWay, trust(own), ""},
		"the system's":          {oneWay, nil, "unknown authority"},
		"another authority":     {oneWay, trust(other), "unknown authority"},
		"another host's":        {elsewhere, trust(own), "127.0.0.1"},
		"expired":               {oneWay, at(48 * time.Hour), "expired"},
		"not yet valid":         {oneWay, at(-48 * time.Hour), "not yet valid"},
		"TLS 1.1":               {old, trust(own), "protocol version"},
		"client certificate":    {mutual, trust(own, good), ""},
		"no client certificate": {mutual, trust(own), "tls"},
		"another's certificate": {mutual, trust(own, foreign), "tls"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := newSecureIntake(t, test.intake)
			var seen attempts
			client := newClient(t, intake.Config{
				URL: in.URL + "/in?secret=1", PostTimeout: time.Minute, BatchDeadline: time.Minute, Retry: once(), TLS: test.client,
			}, intake.OnAttempt(seen.add))
			err := client.Forward(t.Context(), intake.Caller{}, smallBatch())
			count, _, _ := in.seen()
			if test.want == "" {
				if err != nil || count != 1 {
					t.Errorf("%v, and %d POSTs arrived, want 1", err, count)
				}
				return
			}
			if err == nil || count != 0 || strings.Contains(err.Error(), "secret") {
				t.Fatalf("%v, and %d POSTs arrived, want an error and none", err, count)
			}
			if test.want != "tls" && !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v, want %q", err, test.want)
			}
			for _, a := range seen.all() {
				// In TLS 1.3 the intake's word on our certificate comes after the request.
				if a.Class != intake.ClassUnreachable && (test.want != "tls" || a.Class != intake.ClassBroken) {
					t.Errorf("attempt %+v", a)
				}
			}
		})
	}
}

// TestTLSIsReplaced changes the certificate and the authority between batches.
func TestTLSIsReplaced(t *testing.T) {
	t.Parallel()
	for name, protocols := range map[string][]string{"HTTP/1.1": {"http/1.1"}, "HTTP/2": {"h2"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			own := pki.NewAuthority(t, "own")
			in := newSecureIntake(t, &tls.Config{
				Certificates: []tls.Certificate{own.Issue(t, "intake").TLS(t)}, NextProtos: protocols,
				ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: own.Pool(),
			})
			var current atomic.Pointer[tls.Config]
			use := func(pair pki.Pair, trusted *pki.Authority) {
				current.Store(&tls.Config{
					RootCAs: trusted.Pool(), Certificates: []tls.Certificate{pair.TLS(t)}, MinVersion: tls.VersionTLS12,
				})
			}
			first, second := own.Issue(t, "first"), own.Issue(t, "second")
			use(first, own)
			client := newClient(t, intake.Config{
				URL: in.URL, PostTimeout: time.Minute, BatchDeadline: time.Minute, Retry: once(), TLS: current.Load,
			})
			var peers []string
			for i, want := range []*big.Int{first.Serial, first.Serial, second.Serial, second.Serial} {
				if i == 2 {
					use(second, own)
				}
				if err := client.Forward(t.Context(), intake.Caller{}, smallBatch()); err != nil {
					t.Fatal(err)
				}
				_, serial, peer := in.seen()
				if serial.Cmp(want) != 0 {
					t.Errorf("POST %d showed another certificate", i+1)
				}
				peers = append(peers, peer)
			}
			if peers[1] == peers[2] {
				t.Errorf("POSTs came from %v, though the certificate was replaced between the second and the third", peers)
			}
			use(second, pki.NewAuthority(t, "another"))
			if err := client.Forward(t.Context(), intake.Caller{}, smallBatch()); err == nil {
				t.Error("an intake was trusted whose authority was taken away")
			}
		})
	}
}

// TestTLSIsReplacedUnderTraffic changes the certificate while batches are on their
// way.
func TestTLSIsReplacedUnderTraffic(t *testing.T) {
	t.Parallel()
	const forwarders, batches, maxConnections = 8, 20, 4
	own := pki.NewAuthority(t, "own")
	in := newSecureIntake(t, &tls.Config{
		Certificates: []tls.Certificate{own.Issue(t, "intake").TLS(t)},
		ClientAuth:   tls.RequireAndVerifyClientCert, ClientCAs: own.Pool(),
	})
	pairs := []tls.Certificate{own.Issue(t, "first").TLS(t), own.Issue(t, "second").TLS(t)}
	var forwarded atomic.Int64
	var current atomic.Pointer[tls.Config]
	replace := func() {
		pair := pairs[int(forwarded.Load())%len(pairs)]
		current.Store(&tls.Config{RootCAs: own.Pool(), Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12})
	}
	replace()
	client := newClient(t, intake.Config{
		URL: in.URL, PostTimeout: time.Minute, BatchDeadline: time.Minute, MaxConnections: maxConnections, Retry: once(), TLS: current.Load,
	})
	var working sync.WaitGroup
	for range forwarders {
		working.Go(func() {
			for range batches {
				if err := client.Forward(t.Context(), intake.Caller{}, smallBatch()); err != nil {
					t.Error(err)
				}
				if forwarded.Add(1)%3 == 0 {
					replace()
				}
			}
		})
	}
	working.Wait()
	if count, _, _ := in.seen(); count != forwarders*batches {
		t.Errorf("%d POSTs arrived, want %d", count, forwarders*batches)
	}
}

package access

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"

	"github.com/scopegate/scopegate/server/internal/batch"
	"github.com/scopegate/scopegate/server/internal/intake"
	"github.com/scopegate/scopegate/server/internal/memory"
	"github.com/scopegate/scopegate/server/internal/tenant"
)

const tenantsOfTest = `
tenants:
  - {name: shop, certificates: ["spiffe://corp/shop", shop.example.com]}
  - name: bank
    tokens: [{sha256: ` + "%HASH%" + `}]
    intake: {url: "http://bank.example/in"}
`

// openTestAccess returns the access of a file of tenants, with a token of "bank".
func openTestAccess(t *testing.T) (a *Access, path string, log *bytes.Buffer) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "tenants.yaml")
	writeTenants(t, path, tenantsOfTest)
	budget := memory.New(memory.Limits{Bytes: 512 << 20})
	routes, err := NewRoutes(intake.Config{URL: "http://own.example", PostTimeout: time.Second, MaxConnections: 2}, budget, nil, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	log = &bytes.Buffer{}
	cfg := Config{TenantsFile: path, TenantsInterval: time.Second}
	a, err = New(cfg, routes, budget, slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		routes.Close()
		if drawn := budget.DrawnBytes() - int64(routes.Own.drawnBytes); drawn%tenant.OwnedBytes != 0 || drawn > 10*tenant.OwnedBytes {
			t.Errorf("%d bytes are still drawn, want 0 and drawn at most %v", drawn, 10*tenant.OwnedBytes)
		}
		budget.Close()
	})
	return a, path, log
}

func writeTenants(t *testing.T, path, content string) {
	t.Helper()
	content = strings.ReplaceAll(content, "%HASH%", tenant.HashOf("token").String())
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// fromPeer returns the context of a stream whose client has shown that certificate,
// and that it was verified.
func fromPeer(t *testing.T, leaf *x509.Certificate, verified bool) context.Context {
	t.Helper()
	state := tls.ConnectionState{PeerCertificates: []*x509.Certificate{leaf}}
	if verified {
		state.VerifiedChains = [][]*x509.Certificate{{leaf, {}}}
	}
	return peer.NewContext(t.Context(), &peer.Peer{Addr: &net.TCPAddr{}, AuthInfo: credentials.TLSInfo{State: state}})
}

func TestAuthenticateByCertificate(t *testing.T) {
	t.Parallel()
	a, _, _ := openTestAccess(t)
	spiffe := &x509.Certificate{URIs: []*url.URL{{Scheme: "spiffe", Host: "corp", Path: "/shop"}}}
	bearer := func(ctx context.Context, token string) context.Context {
		return metadata.NewIncomingContext(ctx, metadata.Pairs("authorization", "Bearer "+token))
	}
	for name, test := range map[string]struct {
		ctx  context.Context
		want string // the tenant; empty: refused
	}{
		"URI":                        {fromPeer(t, spiffe, true), "shop"},
		"DNS name":                   {fromPeer(t, &x509.Certificate{DNSNames: []string{"shop.example.com"}}, true), "shop"},
		"common name":                {fromPeer(t, &x509.Certificate{Subject: pkix.Name{CommonName: "shop.example.com"}}, true), "shop"},
		"not verified":               {fromPeer(t, spiffe, false), ""},
		"nobody's":                   {fromPeer(t, &x509.Certificate{DNSNames: []string{"example.com"}}, true), ""},
		"none":                       {t.Context(), ""},
		"token beside it":            {bearer(fromPeer(t, spiffe, true), "token"), "bank"},
		"wrong token beside it":      {bearer(fromPeer(t, spiffe, true), "wrong"), ""},
		"a tenant's name as token":   {bearer(t.Context(), "shop.example.com"), ""},
		"token, over what is no TLS": {bearer(t.Context(), "token"), "bank"},
	} {
		ctx, err := a.Authenticate(test.ctx)
		if test.want == "" {
			if !errors.Is(err, ErrUnauthenticated) {
				t.Errorf("%s: %v, want ErrUnauthenticated", name, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		on, err := a.Admit(ctx)
		if err != nil || on.tenant.Name != test.want {
			t.Errorf("%s: %v, %v, want %s", name, on.tenant, err, test.want)
			continue
		}
		a.Release(on)
	}
}

// TestRoutesFollowTenants has the way to an intake stay while its tenant does, and
// while an upload is on it.
func TestRoutesFollowTenants(t *testing.T) {
	t.Parallel()
	a, path, log := openTestAccess(t)
	ctx, err := a.Authenticate(metadata.NewIncomingContext(t.Context(), metadata.Pairs("authorization", "Bearer token")))
	if err != nil {
		t.Fatal(err)
	}
	enter := func() *Grant {
		t.Helper()
		on, err := a.Admit(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return on
	}
	replace := func(content string) {
		t.Helper()
		writeTenants(t, path, content)
		a.Look()
		a.Look()
	}
	first := enter()
	defer a.Release(first)
	replace(tenantsOfTest + "    max_uploads: 3\n  - {name: more, certificates: [x], intake: {url: \"http://bank.example/in\"}}\n")
	second := enter()
	if second.Route != first.Route || second.Tenant().Uploads != 3 || len(a.routes.open) != 1 {
		t.Error("an intake that is the same has another route")
	}
	a.Release(second)
	for name, broken := range map[string]string{
		"not a URL": "http://%zz", "too many connections": "http://x\", connections: \"9999",
	} {
		replace(tenantsOfTest + "  - {name: bad, certificates: [y], intake: {url: \"" + broken + "\"}}\n")
		if third := enter(); third.Route != first.Route {
			t.Errorf("%s: something has changed", name)
		} else {
			a.Release(third)
		}
	}
	if !strings.Contains(a.Invalid(), "connections") && !strings.Contains(a.Invalid(), "URL") {
		t.Errorf("the file is invalid because of %q, want the intake", a.Invalid())
	}
	if n := strings.Count(log.String(), "invalid tenants file"); n != 2 {
		t.Errorf("told %d times that the file is invalid, want 2:\n%s", n, log)
	}
	replace(strings.ReplaceAll(tenantsOfTest, "bank.example/in", "new.example/in"))
	if a.Invalid() != "" {
		t.Errorf("the file is invalid because of %q, want nothing", a.Invalid())
	}
	if third := enter(); third.Route == first.Route || first.Route.uses != 1 || len(a.routes.open) != 1 {
		t.Errorf("another intake has the same route, or one that is gone has %d uses", first.Route.uses)
	} else {
		a.Release(third)
	}
	replace("tenants: [{name: shop, certificates: [shop.example.com]}]")
	if _, err := a.Admit(ctx); !errors.Is(err, ErrUnauthenticated) {
		t.Errorf("who was let in before: %v, want %v", err, ErrUnauthenticated)
	}
	if err := a.Revoked(first); !errors.Is(err, ErrUnauthenticated) {
		t.Errorf("who is at it: %v, want %v", err, ErrUnauthenticated)
	}
	replace("tenants: [{name: other, tokens: [{sha256: %HASH%}]}]")
	if err := a.Revoked(first); !errors.Is(err, ErrUnauthenticated) {
		t.Errorf("whose token is another's now: %v", err)
	}
}

// TestLogOfRefusals: the log names the tenant of an expired token, and tenants that can't
// upload because they need certificates.
func TestLogOfRefusals(t *testing.T) {
	t.Parallel()
	a, path, log := openTestAccess(t)
	writeTenants(t, path, strings.ReplaceAll(tenantsOfTest, "{sha256: %HASH%}", "{sha256: %HASH%, expires: 2000-01-01}"))
	a.Look()
	a.Look()
	_, err := a.Authenticate(metadata.NewIncomingContext(t.Context(), metadata.Pairs("authorization", "Bearer token")))
	if !errors.Is(err, tenant.ErrExpired) {
		t.Errorf("got %v, want %v", err, tenant.ErrExpired)
	}
	for _, want := range []string{
		`msg="client refused" error="the token has expired" tenant=bank`,
		`msg="tenants without a token can't upload: --tls-client-ca is not set" count=1 tenants=shop`,
	} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("got %s, want %s in it", log, want)
		}
	}
}

// TestAuthenticateWaitsForNobody has clients be let in while the tenants are replaced.
func TestAuthenticateWaitsForNobody(t *testing.T) {
	t.Parallel()
	a, _, _ := openTestAccess(t)
	letIn := func() context.Context {
		ctx, err := a.Authenticate(metadata.NewIncomingContext(t.Context(), metadata.Pairs("authorization", "Bearer token")))
		if err != nil {
			t.Fatal(err)
		}
		return ctx
	}
	on, err := a.Admit(letIn())
	if err != nil {
		t.Fatal(err)
	}
	defer a.Release(on)
	a.mu.Lock() // as replace does
	defer a.mu.Unlock()
	letIn()
	if err := a.Revoked(on); err != nil {
		t.Error(err)
	}
}

// TestReplacedUnderLoad replaces the tenants, and their intakes, while streams begin
// and end.
func TestReplacedUnderLoad(t *testing.T) {
	t.Parallel()
	a, path, _ := openTestAccess(t)
	tables := make([]*tenant.Table, 2)
	for i, content := range []string{tenantsOfTest, strings.ReplaceAll(tenantsOfTest, "bank.example/in", "new.example/in")} {
		writeTenants(t, path, content)
		table, _, err := tenant.Read(path)
		if err != nil {
			t.Fatal(err)
		}
		tables[i] = table
	}
	done := make(chan struct{})
	var streams sync.WaitGroup
	for range 4 {
		streams.Go(func() {
			ctx := metadata.NewIncomingContext(t.Context(), metadata.Pairs("authorization", "Bearer token"))
			for {
				select {
				case <-done:
					return
				default:
				}
				authenticated, err := a.Authenticate(ctx)
				if err != nil {
					t.Error(err)
					return
				}
				on, err := a.Admit(authenticated)
				if err != nil {
					t.Error(err)
					return
				}
				if err := a.Revoked(on); err != nil {
					t.Error(err)
				}
				if err := a.Claim(on, &batch.Header{Service: "shop", UploadID: uuid.NewString()}); err != nil {
					t.Error(err)
				}
				a.Release(on)
			}
		})
	}
	for i := range 200 {
		if err := a.replace(tables[i%2]); err != nil {
			t.Error(err)
		}
	}
	close(done)
	streams.Wait()
	if n := len(a.routes.open); n != 1 {
		t.Errorf("%d routes are left, want 1", n)
	}
	writeTenants(t, path, "tenants: [{name: other, certificates: [x]}]") // forgets what was claimed
	table, _, err := tenant.Read(path)
	if err == nil {
		err = a.replace(table)
	}
	if err != nil {
		t.Error(err)
	}
}

// TestCredentialIsNotLogged has a client be refused, and looks for what it has
// shown in the log.
func TestCredentialIsNotLogged(t *testing.T) {
	t.Parallel()
	a, _, log := openTestAccess(t)
	ctx := metadata.NewIncomingContext(fromPeer(t, &x509.Certificate{}, true), metadata.Pairs("authorization", "Bearer hush-hush"))
	if _, err := a.Authenticate(ctx); err == nil {
		t.Error("anybody is let in")
	}
	if !strings.Contains(log.String(), "client refused") || strings.Contains(log.String(), "hush") {
		t.Errorf("the log, want \"client refused\" and no secret:\n%s", log)
	}
}

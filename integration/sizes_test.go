package integration_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"

	"github.com/scopegate/scopegate/client"
	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
	"github.com/scopegate/scopegate/integration/internal/testbed"
	"github.com/scopegate/scopegate/server"
)

// picky is an intake that takes no batch whose sizes are larger. 0: none is.
type picky struct {
	t                  *testing.T
	compressed, raw    atomic.Int64
	refusedOf, takenOf map[string]*atomic.Int64 // by service
}

func newPicky(t *testing.T, compressed, raw int64, services ...string) *picky {
	t.Helper()
	p := &picky{t: t, refusedOf: map[string]*atomic.Int64{}, takenOf: map[string]*atomic.Int64{}}
	p.compressed.Store(compressed)
	p.raw.Store(raw)
	for _, service := range services {
		p.refusedOf[service], p.takenOf[service] = new(atomic.Int64), new(atomic.Int64)
	}
	return p
}

// Fault answers 413 to what is too large.
func (p *picky) Fault(w http.ResponseWriter, r *http.Request, post testbed.Post, accept http.HandlerFunc) {
	whole, err := io.ReadAll(r.Body)
	if err != nil {
		p.t.Error(err)
	}
	r.Body = io.NopCloser(bytes.NewReader(whole))
	_, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		p.t.Error(err)
	}
	part, err := multipart.NewReader(bytes.NewReader(whole), params["boundary"]).NextPart()
	if err != nil {
		p.t.Error(err)
	}
	file, err := io.ReadAll(part)
	if err != nil {
		p.t.Error(err)
	}
	json, err := gzip.NewReader(bytes.NewReader(file))
	if err != nil {
		p.t.Error(err)
	}
	raw, err := io.Copy(io.Discard, json)
	if err != nil {
		p.t.Error(err)
	}
	if most := p.compressed.Load(); most > 0 && int64(len(file)) > most {
		p.refusedOf[post.Service].Add(1)
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		return
	}
	if most := p.raw.Load(); most > 0 && raw > most {
		p.refusedOf[post.Service].Add(1)
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		return
	}
	p.takenOf[post.Service].Add(1)
	accept(w, r)
}

// noise uploads that much of what hardly compresses, and returns in how many batches
// it was accepted.
func (p *picky) noise(t *testing.T, c *client.Client, service string, bytes int) (batches int64) {
	t.Helper()
	source := testbed.NewSource(80)
	var scopes []*symdbv1.Scope
	for range bytes / (32 << 10) {
		scopes = append(scopes, source.Noise(32<<10))
	}
	md := testbed.NewMetadata()
	md.Service = service
	before := p.takenOf[service].Load()
	if _, err := testbed.Upload(testbed.Context(t), c, md, scopes); err != nil {
		t.Fatal(err)
	}
	return p.takenOf[service].Load() - before
}

// control is a scope that is small in a file, and six times itself as JSON.
func control(bytes int) *symdbv1.Scope {
	return &symdbv1.Scope{ScopeType: "FILE", Name: new(strings.Repeat("\x01", bytes))}
}

// TestRepeatingScopeKeepsOthersBatches has an intake limit the length of the JSON, and
// one client send what is long as JSON and short as a file: others' batches stay as
// large as they were, whether they are another tenant's or not.
func TestRepeatingScopeKeepsOthersBatches(t *testing.T) {
	t.Parallel()
	for _, tenanted := range []bool{false, true} {
		t.Run(map[bool]string{false: "no tenants", true: "tenants"}[tenanted], func(t *testing.T) {
			t.Parallel()
			p := newPicky(t, 0, 5<<20, "hostile", "shop")
			file, configure := newTenants(t), func(*server.Config) {}
			var tokens [2]string
			if tenanted {
				tokens = [2]string{file.add(t, "hostile"), file.add(t, "shop")}
				configure = file.configure()
			}
			bed := testbed.New(t, testbed.Options{Fault: p.Fault, Configure: configure})
			hostile, shop := bed.Client, bed.Client
			if tenanted {
				hostile, shop = as(t, bed, tokens[0]), as(t, bed, tokens[1])
			}
			before := p.noise(t, shop, "shop", 3<<20)
			for range 5 {
				md := testbed.NewMetadata()
				md.Service, md.UploadId, md.SingleBatch = "hostile", uuid.NewString(), true
				_, err := testbed.UploadOnce(testbed.Context(t), hostile, md, []*symdbv1.Scope{control(1<<20 - 1000)})
				requireLimit(t, bed, err, "max_batch_raw_bytes")
			}
			if after := p.noise(t, shop, "shop", 3<<20); after != before {
				t.Errorf("another's upload takes %d batches instead of %d", after, before)
			}
		})
	}
}

// requireLimit fails the test unless a batch was too large, and the status says what
// would not be.
func requireLimit(t *testing.T, bed *testbed.Bed, err error, key string) {
	t.Helper()
	for _, detail := range bed.RequireStatus(t, err, codes.InvalidArgument, "BATCH_TOO_LARGE").Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok && (len(info.GetMetadata()) != 1 || info.GetMetadata()[key] == "") {
			t.Errorf("ErrorInfo's metadata is %v, want %s", info.GetMetadata(), key)
		}
	}
}

// TestSingleBatchTooLong has a stream that is to be a single batch be longer as JSON
// than one may be.
func TestSingleBatchTooLong(t *testing.T) {
	t.Parallel()
	bed := testbed.New(t, testbed.Options{Configure: func(cfg *server.Config) { cfg.MaxBatchRawBytes = 4 << 20 }})
	md := testbed.NewMetadata()
	md.UploadId, md.SingleBatch = uuid.NewString(), true
	_, err := testbed.UploadOnce(testbed.Context(t), bed.Client, md,
		[]*symdbv1.Scope{control(500 << 10), control(500 << 10), testbed.NewSource(81).Function()})
	requireLimit(t, bed, err, "max_batch_raw_bytes")
	if posts := bed.Intake.Posts(); len(posts) > 0 {
		t.Errorf("%d batches were sent, want none", len(posts))
	}
}

// TestBatchesGrowAgain has an intake take small batches alone for a while, of one of
// two sizes: batches become small enough for it, tenant by tenant, and as large as
// before when it takes all.
func TestBatchesGrowAgain(t *testing.T) {
	t.Parallel()
	for name, sizes := range map[string][2]int64{"file": {100_000, 0}, "JSON": {0, 140_000}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPicky(t, 0, 0, "shop", "bank")
			file := newTenants(t)
			shopToken, bankToken := file.add(t, "shop"), file.add(t, "bank")
			bed := testbed.New(t, testbed.Options{Fault: p.Fault, Configure: file.configure(threshold(256 << 10))})
			shop, bank := as(t, bed, shopToken), as(t, bed, bankToken)
			const bytes = 2 << 20
			large := p.noise(t, shop, "shop", bytes)
			p.compressed.Store(sizes[0])
			p.raw.Store(sizes[1])
			small := p.noise(t, shop, "shop", bytes)
			if refused := p.refusedOf["shop"].Load(); refused == 0 || refused > small/4 {
				t.Errorf("%d batches were refused, and %d accepted, want few refused, but some", refused, small)
			}
			if p.noise(t, bank, "bank", bytes); p.refusedOf["bank"].Load() == 0 {
				t.Error("one tenant's learned limit applies to another")
			}
			p.compressed.Store(0)
			p.raw.Store(0)
			uploads := 1
			for p.noise(t, shop, "shop", bytes) > large {
				if uploads++; uploads > 10 {
					t.Fatalf("%d uploads later one still takes more than %d batches; it were %d when the intake took small ones alone",
						uploads, large, small)
				}
			}
			t.Logf("%d batches became %d, and %d again after %d uploads", large, small, large, uploads)
		})
	}
}

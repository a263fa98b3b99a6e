package integration_test

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"

	"github.com/scopegate/scopegate/client"
	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
	"github.com/scopegate/scopegate/integration/internal/testbed"
	"github.com/scopegate/scopegate/integration/wait"
	"github.com/scopegate/scopegate/server"
)

// tenants is a file of tenants of a test.
type tenants struct {
	path  string
	lines []string
}

// newTenants returns a file without tenants, which no server takes.
func newTenants(t *testing.T) *tenants {
	t.Helper()
	return &tenants{path: filepath.Join(t.TempDir(), "tenants.yaml")}
}

// add adds a tenant with a new token, which it returns; more are further keys of
// the tenant.
func (f *tenants) add(t *testing.T, name string, more ...string) string {
	t.Helper()
	token, hash := server.NewToken()
	f.lines = append(f.lines, fmt.Sprintf("- {%s}", strings.Join(append([]string{
		"name: " + name, "tokens: [{sha256: " + hash + "}]",
	}, more...), ", ")))
	f.write(t)
	return token.Reveal()
}

// write replaces the file at once.
func (f *tenants) write(t *testing.T) {
	t.Helper()
	next := f.path + ".next"
	if err := os.WriteFile(next, []byte("tenants:\n"+strings.Join(f.lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, f.path); err != nil {
		t.Fatal(err)
	}
}

// configure has a server take uploads of those tenants, and see soon when they
// change.
func (f *tenants) configure(more ...func(*server.Config)) func(*server.Config) {
	return func(cfg *server.Config) {
		cfg.Access.TenantsFile = f.path
		cfg.Access.TenantsInterval = 5 * time.Millisecond
		for _, configure := range more {
			configure(cfg)
		}
	}
}

// as returns a client of the bed's server with that token.
func as(t *testing.T, bed *testbed.Bed, token string) *client.Client {
	t.Helper()
	c, err := client.Dial(bed.Server.Target(), client.WithToken(token))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// once uploads some scopes in one stream.
func once(t *testing.T, c *client.Client, md *symdbv1.UploadMetadata) error {
	t.Helper()
	_, err := testbed.UploadOnce(testbed.Context(t), c, md, testbed.NewSource(60).Functions(3))
	return err
}

// TestCredentials has clients show what they have.
func TestCredentials(t *testing.T) {
	t.Parallel()
	file := newTenants(t)
	good := file.add(t, "shop")
	expiring, hash := server.NewToken()
	file.lines = append(file.lines, fmt.Sprintf("- {name: late, tokens: [{sha256: %s, expires: 2020-01-01T00:00:00Z}]}", hash))
	file.write(t)
	bed := testbed.New(t, testbed.Options{Configure: file.configure()})
	texts := map[string]bool{}
	for name, header := range map[string][]string{
		"absent":           nil,
		"wrong":            {"authorization", "Bearer sgt_AAAAAAAAAAAAAAAAAAAAAAAAAA"},
		"expired":          {"authorization", "Bearer " + expiring.Reveal()},
		"its hash":         {"authorization", "Bearer " + hash},
		"empty":            {"authorization", "Bearer "},
		"another scheme":   {"authorization", "Basic " + good},
		"no scheme":        {"authorization", good},
		"a wrong one more": {"authorization", "Bearer wrong", "authorization", "Bearer " + good},
		"shortened":        {"authorization", "Bearer " + good[:len(good)-1]},
		"lower case":       {"authorization", "Bearer " + strings.ToLower(good)},
	} {
		ctx := metadata.AppendToOutgoingContext(testbed.Context(t), header...)
		_, err := testbed.UploadOnce(ctx, bed.Client, testbed.NewMetadata(), testbed.NewSource(60).Functions(1))
		st := bed.RequireStatus(t, err, codes.Unauthenticated, "UNAUTHENTICATED")
		texts[st.String()] = true
		if len(texts) != 1 {
			t.Errorf("%s: the client is told another thing: %v", name, texts)
		}
	}
	if posts := bed.Intake.Posts(); len(posts) != 0 {
		t.Errorf("%d batches reached the intake, want 0", len(posts))
	}
	if err := once(t, as(t, bed, good), testbed.NewMetadata()); err != nil {
		t.Errorf("with the token: %v", err)
	}
	answer, err := healthv1.NewHealthClient(bed.Conn).Check(testbed.Context(t), &healthv1.HealthCheckRequest{})
	if err != nil || answer.GetStatus() != healthv1.HealthCheckResponse_SERVING {
		t.Errorf("health is %v, %v, want SERVING", answer, err)
	}
}

// TestReflectionAsksForCredentials has reflection be for those who may upload.
func TestReflectionAsksForCredentials(t *testing.T) {
	t.Parallel()
	file := newTenants(t)
	token := file.add(t, "shop")
	bed := testbed.New(t, testbed.Options{Configure: file.configure(func(cfg *server.Config) { cfg.Access.Reflection = true })})
	for header, want := range map[string]codes.Code{"": codes.Unauthenticated, "Bearer " + token: codes.OK} {
		ctx := testbed.Context(t)
		if header != "" {
			ctx = metadata.AppendToOutgoingContext(ctx, "authorization", header)
		}
		stream, err := reflectionv1.NewServerReflectionClient(bed.Conn).ServerReflectionInfo(ctx)
		if err == nil {
			err = stream.CloseSend()
		}
		if err == nil {
			if _, err = stream.Recv(); err == io.EOF { //nolint:errorlint // as gRPC returns it
				err = nil
			}
		}
		if status.Code(err) != want {
			t.Errorf("%v, want %v", err, want)
		}
	}
}

// TestTokensAreReplaced has the file of tenants be replaced while uploads run: who
// is gone is ended, others are not, and a file that is not in order changes
// nothing.
func TestTokensAreReplaced(t *testing.T) {
	t.Parallel()
	file := newTenants(t)
	staying, going := file.add(t, "stays"), file.add(t, "goes")
	bed := testbed.New(t, testbed.Options{Configure: file.configure(threshold(0))})
	type running struct {
		*client.Stream
		id string
	}
	begin := func(token string) running {
		md := testbed.NewMetadata()
		up, err := testbed.Open(testbed.Context(t), as(t, bed, token), md)
		if err != nil {
			t.Fatal(err)
		}
		for _, scope := range testbed.NewSource(61).Functions(2) {
			if err := up.Send(scope); err != nil {
				t.Fatal(err)
			}
		}
		return running{up, up.ID()}
	}
	stays, goes := begin(staying), begin(going)
	posted := func(id string) (n int) {
		for _, post := range bed.Intake.Posts() {
			if post.UploadID == id {
				n++
			}
		}
		return n
	}
	wait.Equal(t, "both to have begun", func() [2]int { return [2]int{posted(stays.id), posted(goes.id)} }, [2]int{1, 1})

	good := file.lines
	file.lines = []string{"- {name: ", "\x00 broken"}
	file.write(t)
	bed.Server.AwaitLogged(t, "invalid tenants file")
	if err := once(t, as(t, bed, going), testbed.NewMetadata()); err != nil {
		t.Errorf("a broken file has revoked a token: %v", err)
	}

	file.lines = good[:1]
	added := file.add(t, "comes")
	wait.Equal(t, "the new token to be taken", func() error { return once(t, as(t, bed, added), testbed.NewMetadata()) }, nil)
	bed.RequireStatus(t, once(t, as(t, bed, going), testbed.NewMetadata()), codes.Unauthenticated, "UNAUTHENTICATED")
	_, err := goes.CloseAndReceive() // what was revoked ends, by whatever comes first
	if status.Code(err) != codes.Unauthenticated {
		t.Errorf("the upload that was running: %v, want UNAUTHENTICATED", err)
	}
	for _, scope := range testbed.NewSource(62).Functions(2) {
		if err := stays.Send(scope); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := stays.CloseAndReceive(); err != nil {
		t.Errorf("the upload of another tenant: %v", err)
	}
	bed.Stop(t)
	bed.Intake.RequireNoFinal(t, goes.id)
}

// TestUploadBelongsToTenant has a tenant go on with another one's upload, or repeat
// a batch of it.
func TestUploadBelongsToTenant(t *testing.T) {
	t.Parallel()
	file := newTenants(t)
	a, b := file.add(t, "a"), file.add(t, "b")
	bed := testbed.New(t, testbed.Options{Configure: file.configure()})
	md := testbed.NewMetadata()
	md.MoreFollows = true
	if err := once(t, as(t, bed, a), md); err != nil {
		t.Fatal(err)
	}
	posts := len(bed.Intake.Posts())
	for name, change := range map[string]func(*symdbv1.UploadMetadata){
		"goes on": func(md *symdbv1.UploadMetadata) { md.FirstBatchNum = 2 },
		"begins":  func(*symdbv1.UploadMetadata) {},
		"repeats": func(md *symdbv1.UploadMetadata) { md.SingleBatch = true },
		"in capital": func(md *symdbv1.UploadMetadata) {
			md.UploadId = strings.ToUpper(md.GetUploadId())
			md.FirstBatchNum = 2
		},
	} {
		stolen := &symdbv1.UploadMetadata{Service: "shop", Language: "go", UploadId: md.GetUploadId()}
		change(stolen)
		err := once(t, as(t, bed, b), stolen)
		bed.RequireStatus(t, err, codes.PermissionDenied, "PERMISSION_DENIED")
		if n := len(bed.Intake.Posts()); n != posts {
			t.Errorf("%s: %d batches reached the intake, want %v", name, n-posts, posts)
		}
	}
	md.MoreFollows, md.FirstBatchNum = false, 2
	if err := once(t, as(t, bed, a), md); err != nil {
		t.Errorf("who began it: %v", err)
	}
}

// TestTenantsKeepToTheirServices has tenants upload for services of their own, and of
// others.
func TestTenantsKeepToTheirServices(t *testing.T) {
	t.Parallel()
	file := newTenants(t)
	shop := file.add(t, "shop", "services: [shop, 'web-*']")
	free := file.add(t, "free")
	bed := testbed.New(t, testbed.Options{Configure: file.configure()})
	upload := func(token, service string) error {
		md := testbed.NewMetadata()
		md.Service = service
		return once(t, as(t, bed, token), md)
	}
	for _, service := range []string{"shop", "web-", "web-1", "web-*"} {
		if err := upload(shop, service); err != nil {
			t.Errorf("%q: %v", service, err)
		}
	}
	posts := len(bed.Intake.Posts())
	for _, service := range []string{"bank", "Shop", "shop ", " shop", "shop\x00", "shop-1", "web", "a-web-1", "shоp" /* a Cyrillic o */} {
		err := upload(shop, service)
		bed.RequireDenied(t, err, "metadata.service")
		if text := status.Convert(err).Message(); !strings.HasSuffix(text, " the service "+strconv.Quote(service)) {
			t.Errorf("%q does not name the service %q", text, service)
		}
	}
	if n := len(bed.Intake.Posts()); n != posts {
		t.Errorf("%d batches reached the intake, want %v", n-posts, posts)
	}
	for _, service := range []string{"bank", "shop"} { // one without a list may use any
		if err := upload(free, service); err != nil {
			t.Errorf("a tenant without services, %q: %v", service, err)
		}
	}
	file.lines[0] = strings.Replace(file.lines[0], "[shop, ", "[bank, ", 1)
	file.write(t)
	wait.Equal(t, "the new services", func() error { return upload(shop, "bank") }, nil)
	bed.RequireDenied(t, upload(shop, "shop"), "metadata.service")
}

// TestTenantsHaveTheirOwn has tenants' batches go where they belong, with the key
// and the tags that belong there.
func TestTenantsHaveTheirOwn(t *testing.T) {
	t.Parallel()
	intakes := map[string]*testbed.Intake{"a": testbed.StartIntake(t, nil), "b": testbed.StartIntake(t, nil)}
	file := newTenants(t)
	tokens := map[string]string{}
	for name, in := range intakes {
		key := "key-" + name
		if err := os.WriteFile(filepath.Join(filepath.Dir(file.path), key), []byte(testbed.Canary+key), 0o600); err != nil {
			t.Fatal(err)
		}
		tokens[name] = file.add(t, name, `intake: {url: "`+in.URL()+`", api_key_file: `+key+`}`, `additional_tags: "team:`+name+`"`)
	}
	tokens["shared"] = file.add(t, "shared", `additional_tags: "team:shared"`)
	tokens["plain"] = file.add(t, "plain")
	bed := testbed.New(t, testbed.Options{Configure: file.configure(func(cfg *server.Config) { cfg.Intake.AdditionalTags = "team:server" })})
	intakes["shared"], intakes["plain"] = bed.Intake, bed.Intake
	for name, token := range tokens {
		md := testbed.NewMetadata()
		if err := once(t, as(t, bed, token), md); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for owner, in := range intakes {
			for _, post := range in.Posts() {
				if post.UploadID != md.GetUploadId() {
					continue
				}
				if in != intakes[name] {
					t.Errorf("a batch of %s is at the intake of %s, want %v", name, owner, intakes[name])
				}
				wantKey, wantTags := testbed.Canary+"key-"+name, "team:"+name
				if in == bed.Intake {
					wantKey = testbed.Canary
				}
				if name == "plain" {
					wantTags = "team:server"
				}
				if key, tags := post.Header.Get("DD-API-KEY"), post.Header.Get("X-Datadog-Additional-Tags"); key != wantKey || tags != wantTags {
					t.Errorf("%s: key %q and tags %q, want %q and %q", name, key, tags, wantKey, wantTags)
				}
			}
		}
		if n := len(intakes[name].Posts()); n == 0 {
			t.Errorf("nothing of %s arrived", name)
		}
	}
}

// TestTenantLimit has a tenant be refused what others still get.
func TestTenantLimit(t *testing.T) {
	t.Parallel()
	file := newTenants(t)
	few, many := file.add(t, "few", "max_uploads: 1"), file.add(t, "many")
	gate := testbed.NewGate()
	bed := testbed.New(t, testbed.Options{Configure: file.configure(threshold(0)), Fault: gate.Fault})
	done := make(chan error, 1)
	go func() { done <- once(t, as(t, bed, few), testbed.NewMetadata()) }()
	wait.Receive(t, gate.Entered, "the first upload's batch")
	md := testbed.NewMetadata()
	md.Service = "another-service"
	st := bed.RequireStatus(t, once(t, as(t, bed, few), md), codes.ResourceExhausted, "OVERLOADED")
	if !strings.Contains(st.Message(), "few") {
		t.Errorf("message %q does not name the tenant", st.Message())
	}
	gate.Open()
	if err := once(t, as(t, bed, many), md); err != nil {
		t.Errorf("another tenant: %v", err)
	}
	if err := wait.Receive(t, done, "the first upload"); err != nil {
		t.Error(err)
	}
}

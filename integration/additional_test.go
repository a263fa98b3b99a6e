package integration_test

import (
	"net/http"
	"testing"
	"time"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
	"github.com/scopegate/scopegate/integration/internal/testbed"
	"github.com/scopegate/scopegate/server"
)

// additional has a server take batches to those intakes too.
func additional(age time.Duration, urls ...string) func(*server.Config) {
	return func(cfg *server.Config) {
		cfg.AdditionalIntakes.MaxAge = age
		cfg.AdditionalIntakes.DrainTime = time.Minute
		for _, url := range urls {
			cfg.AdditionalIntakes.Intakes = append(cfg.AdditionalIntakes.Intakes,
				server.AdditionalIntake{URL: url, APIKey: server.NewSecret("additional-" + testbed.Canary)})
		}
	}
}

// counted returns the metric's value with that outcome, and intake if it isn't
// empty.
func counted(t *testing.T, bed *testbed.Bed, name, intake, outcome string) (value float64) {
	t.Helper()
	families, err := bed.Server.Metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		for _, metric := range family.GetMetric() {
			labels := map[string]string{}
			for _, label := range metric.GetLabel() {
				labels[label.GetName()] = label.GetValue()
			}
			if labels["outcome"] == outcome && labels["intake"] == intake {
				value += metric.GetCounter().GetValue()
			}
		}
	}
	return value
}

// TestAdditionalIntakes has several intakes get what the first one does, each as
// well as it can, and clients notice nothing.
func TestAdditionalIntakes(t *testing.T) {
	t.Parallel()
	taking := testbed.StartIntake(t, nil)
	refusing := testbed.StartIntake(t, testbed.Answer(http.StatusForbidden, "key "+testbed.Canary))
	bed := testbed.New(t, testbed.Options{Configure: func(cfg *server.Config) {
		threshold(0)(cfg)
		cfg.Intake.AdditionalTags = "team:server"
		additional(time.Minute, taking.URL(), refusing.URL())(cfg)
	}})
	metadata, scopes := testbed.NewMetadata(), testbed.NewSource(70).Functions(12)
	summary := bed.Upload(t, metadata, scopes)
	bed.Stop(t) // which waits for them
	bed.Intake.RequireDelivered(t, summary, metadata, scopes)
	taking.RequireDelivered(t, summary, metadata, scopes)
	for _, post := range taking.Posts() {
		if post.Header.Get("DD-API-KEY") != "additional-"+testbed.Canary || post.Header.Get("X-Datadog-Additional-Tags") != "team:server" {
			t.Errorf("headers %v, want %v and %q", post.Header, "additional-"+testbed.Canary, "team:server")
		}
	}
	for _, want := range []struct{ intake, outcome string }{{"1", "accepted"}, {"2", "refused"}} {
		n := counted(t, bed, "scopegate_additional_batches_total", want.intake, want.outcome)
		if n != float64(summary.GetBatchCount()) || n != counted(t, bed, "scopegate_batches_total", "", "accepted") {
			t.Errorf("intake %s: %v %s, want all %d", want.intake, n, want.outcome, summary.GetBatchCount())
		}
	}
}

// TestAdditionalIntakesDoNotDelay has additional intakes that hang, or aren't
// there: uploads end before any of them has had its time.
func TestAdditionalIntakesDoNotDelay(t *testing.T) {
	t.Parallel()
	const uploads, scopesEach = 2, 45
	hanging := testbed.StartIntake(t, testbed.Hang)
	bed := testbed.New(t, testbed.Options{Configure: func(cfg *server.Config) {
		threshold(0)(cfg)
		additional(time.Hour, hanging.URL(), "http://"+testbed.ReserveAddress(t)+"/?token="+testbed.Canary)(cfg)
		cfg.AdditionalIntakes.QueueBytes = 1 << 20
		cfg.AdditionalIntakes.DrainTime = 10 * time.Millisecond
	}})
	for i := range uploads {
		metadata := testbed.NewMetadata()
		source := testbed.NewSource(uint64(71 + i))
		var scopes []*symdbv1.Scope
		for range scopesEach {
			scopes = append(scopes, source.Noise(16<<10))
		}
		bed.Intake.RequireDelivered(t, bed.Upload(t, metadata, scopes), metadata, scopes)
	}
	bed.Stop(t)
	for _, intake := range []string{"1", "2"} {
		if n := counted(t, bed, "scopegate_additional_batches_total", intake, "dropped"); n != uploads*scopesEach {
			t.Errorf("intake %s: %v batches were dropped, want %d", intake, n, uploads*scopesEach)
		}
	}
}

// TestAdditionalIntakesAreNotForTenants has batches of a tenant with an intake of
// its own stay away from the server's.
func TestAdditionalIntakesAreNotForTenants(t *testing.T) {
	t.Parallel()
	taking, own := testbed.StartIntake(t, nil), testbed.StartIntake(t, nil)
	file := newTenants(t)
	apart, plain := file.add(t, "apart", `intake: {url: "`+own.URL()+`"}`), file.add(t, "plain")
	bed := testbed.New(t, testbed.Options{Configure: file.configure(additional(time.Minute, taking.URL()))})
	ids := map[string]string{}
	for name, token := range map[string]string{"apart": apart, "plain": plain} {
		md := testbed.NewMetadata()
		ids[md.GetUploadId()] = name
		if err := once(t, as(t, bed, token), md); err != nil {
			t.Fatal(err)
		}
	}
	bed.Stop(t)
	posts := taking.Posts()
	if len(posts) == 0 {
		t.Error("the additional intake got nothing")
	}
	for _, post := range posts {
		if ids[post.UploadID] != "plain" {
			t.Errorf("the additional intake got a batch of %s, want %q", ids[post.UploadID], "plain")
		}
	}
}

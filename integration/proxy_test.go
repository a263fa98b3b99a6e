package integration_test

import (
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/scopegate/scopegate/integration/internal/testbed"
	"github.com/scopegate/scopegate/server"
)

// TestSpoiledConnections has a proxy between client and server and one between
// server and intake make the way slow, narrow or short.
//
//nolint:paralleltest // its cases run in parallel, beside no other test
func TestSpoiledConnections(t *testing.T) {
	type toxic struct{ kind, stream, attributes string }
	cases := map[string]struct {
		toxic toxic
		// cut tells that the connections are cut for a while instead, when the
		// client has sent a few scopes.
		cut bool
	}{
		"latency there":   {toxic: toxic{"latency", "upstream", `{"latency": 20, "jitter": 10}`}},
		"latency back":    {toxic: toxic{"latency", "downstream", `{"latency": 20, "jitter": 10}`}},
		"bandwidth there": {toxic: toxic{"bandwidth", "upstream", `{"rate": 300}`}},
		"pieces":          {toxic: toxic{"slicer", "upstream", `{"average_size": 64, "size_variation": 32, "delay": 100}`}},
		"cut by bytes":    {toxic: toxic{"limit_data", "upstream", `{"bytes": 20000}`}},
		"cut":             {cut: true},
	}
	var counts tally
	type entry struct {
		name, between string
	}
	var entries []entry
	for name := range cases {
		entries = append(entries, entry{name, "server and intake"})
		if name != "cut by bytes" { // no stream would ever come to its end
			entries = append(entries, entry{name, "client and server"})
		}
	}
	each(t, len(entries), func(i int) {
		e := entries[i]
		t.Run(e.name+" between "+e.between, func(t *testing.T) {
			intake := testbed.StartIntake(t, nil)
			behind := testbed.NewProxy(t, intake.Address())
			bed := testbed.New(t, testbed.Options{
				IntakeURL: "http://" + behind.Address() + "/symdb/v1/input",
				Configure: func(cfg *server.Config) { cfg.FlushThresholdBytes = 0 },
			})
			before := testbed.NewProxy(t, bed.Server.Target())
			spoiled := before
			if e.between == "server and intake" {
				spoiled = behind
			}
			spoil := func() {
				c := cases[e.name]
				if !c.cut {
					if err := spoiled.Spoil(c.toxic.kind, c.toxic.stream, c.toxic.attributes); err != nil {
						t.Error(err)
					}
					return
				}
				spoiled.Cut()
				time.AfterFunc(30*time.Millisecond, func() {
					if err := spoiled.Mend(); err != nil {
						t.Error(err)
					}
				})
			}
			sent := 0
			client := testbed.Resuming{Conn: newFleet(t, before.Address()).conn, Sent: func(int) {
				if sent++; sent == 3 {
					spoil()
				}
			}}
			journey, err := testbed.Deliver(testbed.Context(t), intake, client.Pull, noise(uint64(i), 6, 10<<10))
			if err != nil {
				t.Fatal(err)
			}
			counts.add(journey, intake, 0)
		})
	})
	t.Logf("spoiled connections: %d cases; %v", len(entries), &counts)
}

// TestIntakeHasNoName has the intake's name be one that DNS does not know.
func TestIntakeHasNoName(t *testing.T) {
	t.Parallel()
	bed := testbed.New(t, testbed.Options{IntakeURL: "http://intake.invalid/symdb/v1/input", Configure: givesUp})
	_, err := uploadOnce(t, bed)
	bed.RequireIntakeFailure(t, err, codes.Unavailable, "INTAKE_UNREACHABLE", 0, 1)
	if progress := testbed.Progress(err); progress.GetAcceptedScopeCount() != 0 || progress.GetNextBatchNum() != 1 {
		t.Errorf("progress is %v, want no scope and batch 1 next", progress)
	}
}

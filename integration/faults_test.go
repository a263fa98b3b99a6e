package integration_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
	"github.com/scopegate/scopegate/integration/internal/testbed"
	"github.com/scopegate/scopegate/server"
)

// long tells that the long form of the tests that meet faults is asked for.
func long() bool { return os.Getenv("SCOPEGATE_FAULTS") == "long" }

// count is how much of something is tried in either form.
func count(short, inLong int) int {
	if long() {
		return inLong
	}
	return short
}

// seed returns where random choices begin, and prints it.
func seed(t *testing.T) uint64 {
	t.Helper()
	seed := rand.Uint64()
	if text := os.Getenv("SCOPEGATE_SEED"); text != "" {
		if _, err := fmt.Sscan(text, &seed); err != nil {
			t.Fatalf("SCOPEGATE_SEED: %v", err)
		}
	}
	t.Logf("SCOPEGATE_SEED=%d", seed)
	return seed
}

// each runs the cases as subtests, more at once than there are processors: most
// of the time they wait.
func each(t *testing.T, total int, run func(i int)) {
	t.Helper()
	var cases sync.WaitGroup
	slots := make(chan struct{}, 24)
	for i := range total {
		slots <- struct{}{}
		cases.Go(func() {
			defer func() { <-slots }()
			run(i)
		})
	}
	cases.Wait()
}

// tally counts what happened over many uploads.
type tally struct {
	mu                                     sync.Mutex
	uploads, streams, restarts, repeats    int
	wholeTwice, failures, unfinishedFaults int
}

func (c *tally) add(j testbed.Journey, in *testbed.Intake, left int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.uploads++
	c.streams += j.Streams
	c.restarts += len(j.Abandoned)
	c.failures += len(j.Failures)
	c.repeats += in.Repeats(j)
	c.unfinishedFaults += left
	for _, id := range j.Abandoned {
		if upload, ok := in.Store.Upload(id); ok && upload.Complete {
			c.wholeTwice++
		}
	}
}

func (c *tally) String() string {
	return fmt.Sprintf("%d uploads whole; %d streams, %d of them failed; %d restarts under a new upload_id "+
		"(%d where the old one was whole too); %d batches arrived twice",
		c.uploads, c.streams, c.failures, c.restarts, c.wholeTwice, c.repeats)
}

// deliverer is which client uploads.
type deliverer int

const (
	theTestbed deliverer = iota // which hurries
	theLibrary                  // which waits as long as the server asks for
)

// deliverUnderFaults uploads six scopes, each a batch, while the script goes
// on, and requires that they are at the intake.
func deliverUnderFaults(
	t *testing.T, counts *tally, sourceSeed uint64, by deliverer, configure func(*server.Config), incidents ...testbed.Incident,
) testbed.Journey {
	t.Helper()
	script := testbed.NewScript(testbed.NewDoor(t), incidents...)
	speaksTLS, silent, splits := false, false, false
	for _, incident := range incidents {
		speaksTLS = speaksTLS || incident.TLS
		silent = silent || incident.Silent
		splits = splits || incident.Splits
	}
	intake := testbed.StartScriptedIntake(t, script, speaksTLS)
	bed := testbed.New(t, testbed.Options{IntakeURL: intake.URL(), Configure: func(cfg *server.Config) {
		cfg.FlushThresholdBytes = 0
		if silent {
			cfg.Intake.PostTimeout = 500 * time.Millisecond
		}
		configure(cfg)
	}})
	metadata, source := testbed.NewMetadata(), testbed.NewSource(sourceSeed)
	var scopes []*symdbv1.Scope
	for i := range faultBatches {
		switch {
		case splits:
			scopes = append(scopes, source.Package(48)) // enough to be halved again and again
		case i%3 == 0:
			scopes = append(scopes, source.Noise(32<<10)) // more than one write takes
		default:
			scopes = append(scopes, source.Function())
		}
	}
	deliver := testbed.Resuming{Conn: bed.Conn}.Pull
	if by == theLibrary {
		deliver = bed.Pull
	}
	journey, err := deliver(testbed.Context(t), metadata, scopes)
	if err != nil {
		t.Fatalf("upload: %v", err)
	}
	bed.Stop(t)
	intake.Stop()
	if err := intake.VerifyJourney(journey, metadata, scopes); err != nil {
		t.Error(err)
	}
	for _, failure := range journey.Failures {
		t.Logf("a stream failed: %v", failure)
	}
	counts.add(journey, intake, script.Left())
	return journey
}

const faultBatches = 6

// impatience is a batch's deadline at which a server gives up trouble that comes
// twice, and forwards a batch in time where there is none.
const impatience = slowness * 50 * time.Millisecond

// TestFaultMatrix has each trouble at the first, a middle and the last batch, so
// often that the server gets over it by itself, and so often that it gives up
// and the client goes on. The short form has the client go on at one of the batches,
// each trouble at another one, and the server get over it twice, and the library go
// on, at the middle batch only.
//
//nolint:paralleltest // its cases run in parallel, beside no other test
func TestFaultMatrix(t *testing.T) {
	type entry struct {
		testbed.Incident
		place    string
		deadline time.Duration
		by       deliverer
	}
	var entries []entry
	for i, trouble := range testbed.Troubles() {
		for j, place := range []string{"first", "middle", "last"} {
			batch := []int{1, 3, faultBatches}[j]
			once := testbed.Incident{Trouble: trouble, Batch: batch, Times: 1}
			twice := testbed.Incident{Trouble: trouble, Batch: batch, Times: 2}
			entries = append(entries, entry{once, place, 0, theTestbed})
			if !trouble.Harmless && (long() || i%3 == j) {
				entries = append(entries, entry{twice, place, impatience, theTestbed})
			}
			if !trouble.Harmless && (long() || place == "middle") {
				entries = append(entries, entry{twice, place, 0, theTestbed}, entry{twice, place, impatience, theLibrary})
			}
		}
	}
	var counts tally
	each(t, len(entries), func(i int) {
		e := entries[i]
		name := fmt.Sprintf("%s/%s/%d", e.Name, e.place, e.Times)
		if e.deadline > 0 {
			name += "/giving up"
		}
		if e.by == theLibrary {
			name += "/library"
		}
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			journey := deliverUnderFaults(t, &counts, uint64(i), e.by, func(cfg *server.Config) {
				if e.deadline > 0 {
					cfg.Intake.BatchDeadline = e.deadline
				}
			}, e.Incident)
			if e.deadline == 0 && journey.Streams != 1 {
				t.Errorf("%d streams, want 1: the server has time enough", journey.Streams)
			}
		})
	})
	t.Logf("fault matrix: %d cases; %v", len(entries), &counts)
	if counts.unfinishedFaults > 0 {
		t.Errorf("%d faults did not happen as often as they should", counts.unfinishedFaults)
	}
}

// TestFaultWithinSplitScope has the server give up between the parts of a scope
// that it had to split.
//
//nolint:paralleltest,tparallel // its cases run in parallel, beside no other test
func TestFaultWithinSplitScope(t *testing.T) {
	troubles := map[string]testbed.Trouble{}
	for _, trouble := range testbed.Troubles() {
		troubles[trouble.Name] = trouble
	}
	for _, name := range []string{"500", "503", "refused"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var counts tally
			deliverUnderFaults(t, &counts, 1, theTestbed, func(cfg *server.Config) { cfg.Intake.BatchDeadline = impatience },
				testbed.Incident{Trouble: troubles["413"], Batch: 3, Times: 1},
				testbed.Incident{Trouble: troubles[name], Batch: 4, Times: 3})
		})
	}
}

// TestFaultSequences has several troubles in one upload, as a seed has it.
//
//nolint:paralleltest // its cases run in parallel, beside no other test
func TestFaultSequences(t *testing.T) {
	first, total := seed(t), count(20, 400)
	troubles := testbed.Troubles()
	var counts tally
	each(t, total, func(i int) {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			random := rand.New(rand.NewPCG(first, uint64(i))) // #nosec G404 -- it shall be predictable
			var incidents []testbed.Incident
			var names []string
			splits := 0
			for range 2 + random.IntN(4) {
				incident := testbed.Incident{
					Trouble: troubles[random.IntN(len(troubles))], Batch: 1 + random.IntN(faultBatches), Times: 1 + random.IntN(2),
				}
				if incident.Splits {
					if splits++; splits > 1 { // a small part of a part could not be split any more
						continue
					}
				}
				incidents = append(incidents, incident)
				names = append(names, fmt.Sprintf("%s at %d, %d times", incident.Name, incident.Batch, incident.Times))
			}
			t.Logf("incidents: %s", strings.Join(names, "; "))
			givesUp := random.IntN(2) == 0
			by := theTestbed
			if long() && i%4 == 0 {
				by = theLibrary
			}
			deliverUnderFaults(t, &counts, random.Uint64(), by, func(cfg *server.Config) {
				if givesUp {
					cfg.Intake.BatchDeadline = impatience/2 + time.Duration(random.IntN(200))*time.Millisecond
				}
			}, incidents...)
		})
	})
	t.Logf("fault sequences: %d from seed %d; %v", total, first, &counts)
}

package interop_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scopegate/scopegate/integration/internal/testbed"
	"github.com/scopegate/scopegate/server/devintake"
)

// languages are the producers, and what each takes as its fixed input.
var languages = []language{
	{name: "python", golden: "shop.py", openEnded: true, compresses: true},
	{name: "node", golden: "shop.js", compresses: true},
	{name: "ruby", golden: "shop.rb"},
	{name: "java", golden: "shop", steady: true, openEnded: true},
	{name: "cpp", golden: "shop"},
}

// batchBytes is a flush threshold at which an upload takes many batches.
const batchBytes = "64KiB"

// check is what is looked at in a producer.
type check struct {
	name string
	run  func(t *testing.T, p *producer)
}

// checks wait and compare, and tell nothing of speed.
var checks = []check{
	{"golden", requireGolden},
	{"superset", requireSuperset},
	{"goes on", goesOn},
	{"goes on after a restart", goesOnAfterRestart},
	{"starts over", startsOver},
	{"overloaded", waitsForTheOverloaded},
	{"ended early", seesTheEarlyEnd},
	{"answered early", seesTheEarlyAnswer},
	{"too large", seesTooLarge},
	{"cut short", isCutShort},
	{"cancelled", isCancelled},
	{"cancelled in between", isCancelledInBetween},
	{"deadline", keepsItsDeadline},
	{"backpressure", isHeldBack},
	{"bit by bit", goesBitByBit},
	{"open-ended", isOpenEnded},
	{"compressed", compresses},
	{"gunzip", decompresses},
}

// TestInterop runs the checks of several languages at once, and then measures one
// after the other, when nothing else runs.
func TestInterop(t *testing.T) {
	if workDir == "" {
		t.Skip("make interop runs this: it needs other languages")
	}
	chosen := strings.Fields(os.Getenv("SCOPEGATE_INTEROP_LANGUAGES"))
	var producers []*producer
	t.Run("checks", func(t *testing.T) {
		for _, l := range languages {
			if len(chosen) > 0 && !slices.Contains(chosen, l.name) {
				continue
			}
			p := l.producer()
			producers = append(producers, p)
			t.Run(l.name, func(t *testing.T) {
				t.Parallel()
				p.require(t)
				for _, check := range checks {
					p.check(t, check)
				}
			})
		}
	})
	bed := newBed(t, nil, "--flush-threshold", batchBytes)
	for _, p := range producers {
		t.Run(p.language.name, func(t *testing.T) {
			p.require(t)
			p.check(t, check{"delivered", func(t *testing.T, p *producer) { t.Helper(); requireDelivered(t, p, bed) }})
			p.check(t, check{"replayed", func(t *testing.T, p *producer) { t.Helper(); measureReplay(t, p, bed) }})
		})
	}
}

func (p *producer) check(t *testing.T, c check) {
	t.Helper()
	if !t.Run(c.name, func(t *testing.T) { c.run(t, p) }) {
		p.row.failed = append(p.row.failed, c.name)
	}
}

// bed is a server in a process of its own, and an intake behind it.
type bed struct {
	intake *testbed.Intake
	server *testbed.Process
}

func newBed(t *testing.T, fault testbed.Fault, args ...string) *bed {
	t.Helper()
	intake := testbed.StartIntake(t, fault)
	return &bed{intake: intake, server: testbed.StartProcess(t, intake.URL(), "127.0.0.1:0", args...)}
}

// arrived returns the root scopes of an upload that is whole, and fails the test
// where it is not.
func (b *bed) arrived(t *testing.T, uploadID string) []any {
	t.Helper()
	scopes := b.scopes(t, uploadID)
	if upload, _ := b.intake.Store.Upload(uploadID); !upload.Complete {
		t.Fatalf("upload %s has %d batches, its final one is %d, want it complete", uploadID, upload.BatchCount, upload.FinalBatchNum)
	}
	return scopes
}

// scopes returns the root scopes of an upload, whole or not.
func (b *bed) scopes(t *testing.T, uploadID string) []any {
	t.Helper()
	upload, ok := b.intake.Store.Upload(uploadID)
	if !ok {
		t.Fatalf("the intake has no batch of upload %s", uploadID)
	}
	if len(upload.Violations) > 0 {
		t.Fatalf("upload %s: violations %v, want none", uploadID, upload.Violations)
	}
	if upload.Env != "interop" || upload.Version != "1.0" || upload.Language == "" {
		t.Errorf("upload %s: env %q, version %q, language %q, want interop, 1.0 and some", uploadID, upload.Env, upload.Version, upload.Language)
	}
	wantSender(t, upload)
	var scopes []any
	for raw, err := range b.intake.Store.Scopes(uploadID) {
		if err != nil {
			t.Fatalf("upload %s: %v", uploadID, err)
		}
		var scope any
		if err := json.Unmarshal(raw, &scope); err != nil {
			t.Fatalf("upload %s: scope: %v", uploadID, err)
		}
		scopes = append(scopes, scope)
	}
	return scopes
}

// wantSender fails the test unless an upload says where it is from as each producer does.
func wantSender(t *testing.T, upload devintake.Upload) {
	t.Helper()
	want := devintake.Headers{
		Tags: []string{"git.commit.sha:12ab", "team:interop"}, ContainerID: "interop-container", EntityID: "ci-interop",
		ExternalEnv: "it-false,cn-interop",
	}
	if diff := cmp.Diff(want, upload.Headers); diff != "" {
		t.Errorf("upload %s: headers, -want +got:\n%s", upload.UploadID, diff)
	}
	if upload.ParentID == nil || *upload.ParentID != "interop-parent" || upload.DDSource == "dd_debugger" {
		t.Errorf("upload %s: parent %v, ddsource %q; want interop-parent, and the language's", upload.UploadID, upload.ParentID, upload.DDSource)
	}
	if got := string(upload.Additional["schema_version"]); got != "1" {
		t.Errorf("upload %s: schema_version %s, want 1", upload.UploadID, got)
	}
}

func requireGolden(t *testing.T, p *producer) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", "golden", p.language.name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	for name, args := range map[string][]string{"whole": nil, "split": {"--max-message-bytes", "300"}} {
		t.Run(name, func(t *testing.T) {
			var want []any
			if err := json.Unmarshal(raw, &want); err != nil {
				t.Fatal(err)
			}
			bed := newBed(t, nil)
			args = append(args, "--golden", p.language.golden)
			result := p.start(t, bed.server.Address, args...).mustSucceed(t)
			got := bed.arrived(t, result.UploadID)
			if name == "split" {
				if len(got) <= len(want) {
					t.Errorf("%d messages: nothing was split", len(got))
				}
				got, want = testbed.MergeRoots(got), testbed.MergeRoots(want)
			}
			requireEqual(t, got, want)
		})
	}
}

// The keys of all languages, empty strings, numbers at their limits, and text that
// is not easy to escape.
func requireSuperset(t *testing.T, p *producer) {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("testdata", "superset.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	bed := newBed(t, nil)
	result := p.start(t, bed.server.Address, "--replay", path).mustSucceed(t)
	requireEqual(t, bed.arrived(t, result.UploadID), readLines(t, path))
}

func requireDelivered(t *testing.T, p *producer, bed *bed) {
	t.Helper()
	row := p.row
	result := p.start(t, bed.server.Address).mustSucceed(t)
	sent, got := readLines(t, p.sentPath), bed.arrived(t, result.UploadID)
	row.sent, row.arrived, row.messages, row.rate = len(sent), len(got), result.Messages, result.rate()
	if upload, ok := bed.intake.Store.Upload(result.UploadID); ok {
		row.rawBytes, row.batches = upload.RawBytes, upload.BatchCount
	}
	if result.Scopes != len(sent) || result.Messages != len(got) {
		t.Errorf("the producer reported %d scopes and %d messages, %d were recorded and %d arrived, want Scopes %v and Messages %v", result.Scopes, result.Messages, len(sent), len(got), len(sent), len(got))
	}
	if result.Messages > result.Scopes { // some roots were split
		sent, got = testbed.MergeRoots(sent), testbed.MergeRoots(got)
	}
	requireEqual(t, got, sent)
}

// measureReplay measures without the walk.
func measureReplay(t *testing.T, p *producer, bed *bed) {
	t.Helper()
	path := writeReplay(t, replayScopes)
	result := p.start(t, bed.server.Address, "--replay", path).mustSucceed(t)
	p.row.replayRate = result.rate()
	requireEqual(t, bed.arrived(t, result.UploadID), readLines(t, path))
}

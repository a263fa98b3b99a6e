package interop_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/scopegate/scopegate/integration/internal/testbed"
)

// patience bounds one run of a producer, also one that must see how its upload ended: its own
// deadline is 15 minutes.
const patience = 3 * time.Minute

const (
	// replayScopes is the length of the usual fixed input.
	replayScopes = 10_000
	// fewScopes is enough for some batches of 16 KiB.
	fewScopes = 3_000
)

type language struct {
	name   string
	golden string
	// steady reports whether it can also upload bit by bit.
	steady bool
	// openEnded reports whether it can also upload without an end.
	openEnded bool
	// compresses reports whether it can compress messages.
	compresses bool
}

// producer is a program that uploads.
type producer struct {
	language language
	path     string
	// sentPath is where it writes down what it sends.
	sentPath string
	row      *row
}

// result is what a producer prints at its end.
type result struct {
	Status   string  `json:"status"`
	Reason   string  `json:"reason"`
	Field    string  `json:"field"`
	UploadID string  `json:"upload_id"`
	HeaderID string  `json:"header_upload_id"`
	Scopes   int     `json:"scopes"`
	Messages int     `json:"messages"`
	Streams  int     `json:"streams"`
	Seconds  float64 `json:"seconds"`
	Accepted int64   `json:"scope_count"`
}

func (r *result) rate() float64 { return float64(r.Messages) / r.Seconds }

// producer returns the language's, with a row in the table.
func (l language) producer() *producer {
	dir := filepath.Join(workDir, l.name)
	return &producer{language: l, path: filepath.Join(dir, "run"), sentPath: filepath.Join(dir, "sent.jsonl"), row: table.add(l.name)}
}

// require skips the test where the producer can't be had.
func (p *producer) require(t *testing.T) {
	t.Helper()
	if _, err := os.Stat(p.path); err != nil {
		if reason, err := os.ReadFile(filepath.Join(filepath.Dir(p.path), "broken")); err == nil {
			p.row.failed = []string{"build"}
			t.Fatalf("%s can't be built: %s", p.language.name, reason)
		}
		reason, readErr := os.ReadFile(filepath.Join(filepath.Dir(p.path), "skipped"))
		if readErr != nil {
			reason = []byte(err.Error())
		}
		p.row.skipped = strings.TrimSpace(string(reason))
		t.Skipf("%s can't be had: %s", p.language.name, reason)
	}
}

// run is a producer at work.
type run struct {
	command *exec.Cmd
	stderr  bytes.Buffer
	ended   chan struct{}
	output  []byte
	err     error
}

// start runs the producer in the directory of its fixed input. It is killed when
// the test ends.
func (p *producer) start(t *testing.T, target string, args ...string) *run {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	r := &run{ended: make(chan struct{})}
	r.command = exec.CommandContext(ctx, p.path, append([]string{"--target", target, "--sent", p.sentPath}, args...)...)
	r.command.Stderr = &r.stderr
	if dir := filepath.Join("testdata", "golden", p.language.name); isDir(dir) {
		r.command.Dir = dir
	}
	endWithTest(r.command)
	r.command.WaitDelay = 5 * time.Second
	go func() {
		defer close(r.ended)
		defer cancel()
		r.output, r.err = r.command.Output()
	}()
	t.Cleanup(func() { cancel(); <-r.ended })
	return r
}

func isDir(path string) bool {
	stat, err := os.Stat(path)
	return err == nil && stat.IsDir()
}

// wait returns what the producer printed at its end.
func (r *run) wait(t *testing.T) *result {
	t.Helper()
	<-r.ended
	got := &result{}
	if err := json.Unmarshal(bytes.TrimSpace(r.output), got); err != nil {
		t.Fatalf("the producer ended with %v and printed %q: %v\n%s", r.err, r.output, err, r.stderr.Bytes())
	}
	if succeeded := r.err == nil; succeeded != (got.Status == "OK") {
		t.Errorf("the producer ended with %v, its status is %s", r.err, got.Status)
	}
	if got.HeaderID != "" && got.HeaderID != got.UploadID {
		t.Errorf("the response header has upload %s, the producer %s, want the same", got.HeaderID, got.UploadID)
	}
	return got
}

func (r *run) mustSucceed(t *testing.T) *result {
	t.Helper()
	got := r.wait(t)
	if got.Status != "OK" {
		t.Fatalf("the upload ended with %+v, want %q\n%s", *got, "OK", r.stderr.Bytes())
	}
	return got
}

// mustFail fails the test unless the upload failed like that.
func (r *run) mustFail(t *testing.T, want result) *result {
	t.Helper()
	got := r.wait(t)
	if got.Status != want.Status || got.Reason != want.Reason || got.Field != want.Field {
		t.Fatalf("the upload ended with %+v, want %s, %q, %q\n%s", *got, want.Status, want.Reason, want.Field, r.stderr.Bytes())
	}
	return got
}

// readLines reads a file of one JSON value a line.
func readLines(t *testing.T, path string) []any {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var values []any
	decoder := json.NewDecoder(bufio.NewReader(file))
	for decoder.More() {
		var value any
		if err := decoder.Decode(&value); err != nil {
			t.Fatalf("%s: line %d: %v", path, len(values)+1, err)
		}
		values = append(values, value)
	}
	return values
}

func requireEqual(t *testing.T, got, want []any) {
	t.Helper()
	for i := range min(len(got), len(want)) {
		if difference := differ("scope["+strconv.Itoa(i)+"]", got[i], want[i]); difference != "" {
			t.Fatal(difference)
		}
	}
	if len(got) != len(want) {
		t.Fatalf("%d scopes, want %d", len(got), len(want))
	}
}

// differ says where two JSON values differ first; "" where they don't.
func differ(path string, got, want any) string {
	switch want := want.(type) {
	case map[string]any:
		got, ok := got.(map[string]any)
		for _, key := range slices.Sorted(maps.Keys(want)) {
			value, has := got[key]
			if ok = ok && has; !ok {
				return path + "." + key + " is missing"
			}
			if difference := differ(path+"."+key, value, want[key]); difference != "" {
				return difference
			}
		}
		for _, key := range slices.Sorted(maps.Keys(got)) {
			if _, has := want[key]; !has {
				return fmt.Sprintf("%s.%s is %v, want none", path, key, got[key])
			}
		}
		if ok {
			return ""
		}
	case []any:
		got, ok := got.([]any)
		for i := range min(len(got), len(want)) {
			if difference := differ(path+"["+strconv.Itoa(i)+"]", got[i], want[i]); difference != "" {
				return difference
			}
		}
		if ok && len(got) == len(want) {
			return ""
		}
	default:
		if reflect.DeepEqual(got, want) {
			return ""
		}
	}
	return fmt.Sprintf("%s is %.500v, want %.500v", path, got, want)
}

// writeReplay writes scopes of about 700 bytes of JSON that differ from each
// other, and then the further lines, and returns the file's path.
func writeReplay(t *testing.T, count int, lines ...string) string {
	t.Helper()
	var text bytes.Buffer
	for i := range count {
		fmt.Fprintf(&text, `{"scope_type":"MODULE","name":"shop.module%d","source_file":"/srv/shop/module%d.py",`+
			`"start_line":1,"end_line":2147483647,"language_specifics":{"file_hash":"%040x"},"scopes":[`, i, i, i*7919)
		for j := range 3 {
			fmt.Fprintf(&text, `%s{"scope_type":"FUNCTION","name":"function%d","source_file":"/srv/shop/module%d.py",`+
				`"start_line":%d,"end_line":%d,"symbols":[{"name":"argument%d","type":null,"symbol_type":"ARG","line":%d}]}`,
				strings.Repeat(",", min(j, 1)), j, i, i+j, i+j+9, i*j, i+j)
		}
		text.WriteString("]}\n")
	}
	for _, line := range lines {
		text.WriteString(line + "\n")
	}
	path := filepath.Join(t.TempDir(), "replay.jsonl")
	if err := os.WriteFile(path, text.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// await waits for an event of the run's surroundings, unless the run ends first.
func await[T any](t *testing.T, r *run, channel <-chan T, text string) T {
	t.Helper()
	select {
	case value := <-channel:
		return value
	case <-r.ended:
		t.Fatalf("the producer ended before %s: %s\n%s", text, r.output, r.stderr.Bytes())
	case <-testbed.Context(t).Done():
		t.Fatalf("%s: not in time", text)
	}
	panic("unreachable")
}

package devintake_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/scopegate/scopegate/integration/gziptest"
	"github.com/scopegate/scopegate/server/devintake"
)

func filesIn(tb testing.TB, dir string) []string {
	tb.Helper()
	var files []string
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		tb.Fatal(err)
	}
	return files
}

func mustAccept(tb testing.TB, in http.Handler, req *request) {
	tb.Helper()
	if rec := req.send(tb, in); rec.Code != http.StatusAccepted {
		tb.Fatalf("status %d: %s, want %v", rec.Code, rec.Body, http.StatusAccepted)
	}
}

func TestDerivedState(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		nums     []int // in order of arrival; a negative one is final
		complete bool
		final    int
		want     []string
	}{
		{"whole", []int{1, 2, -3}, true, 3, nil},
		{"one", []int{-1}, true, 1, nil},
		{"late", []int{1, -3, 2}, true, 3, nil},
		{"open", []int{1, 2}, false, 0, nil},
		{"hole", []int{1, -3}, false, 3, []string{"hole 2: batch 2 is missing"}},
		{"holes", []int{4, -6}, false, 6, []string{"hole 1: batches 1 to 3 are missing", "hole 5: batch 5 is missing"}},
		{"after final", []int{1, -2, 3, 4}, false, 2, []string{"after_final 3: batch 3 comes after batch 2, which is final"}},
		{"two finals", []int{-1, -2}, false, 2, []string{
			"after_final 2: batch 2 comes after batch 1, which is final",
			"several_finals 2: batch 2 is final, and so is batch 1",
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			in := newIntake(t, devintake.Options{})
			for _, num := range test.nums {
				mustAccept(t, in, batchRequest(uploadID, max(num, -num), num < 0))
			}
			upload, ok := in.Upload(uploadID)
			if !ok || upload.Complete != test.complete || upload.FinalBatchNum != test.final || upload.BatchCount != len(test.nums) {
				t.Errorf("upload %+v, want complete %v, final %d, %d batches", upload, test.complete, test.final, len(test.nums))
			}
			if got := violationsOf(upload); !slices.Equal(got, test.want) {
				t.Errorf("violations %q, want %q", got, test.want)
			}
		})
	}
}

func violationsOf(upload devintake.Upload) []string {
	var texts []string
	for _, v := range upload.Violations {
		texts = append(texts, fmt.Sprintf("%s %d: %s", v.Kind, v.BatchNum, v.Text))
	}
	return texts
}

func TestMetadataDiffers(t *testing.T) {
	t.Parallel()
	tests := map[string]func(*request){
		"service": func(r *request) {
			r.envelope, r.event = strings.Replace(r.envelope, "shop", "x", 1), strings.Replace(r.event, "shop", "x", 1)
		},
		"env": func(r *request) { r.envelope = strings.Replace(r.envelope, `"env":"prod",`, "", 1) },
		"version": func(r *request) {
			r.envelope, r.event = strings.Replace(r.envelope, `"version":"1.2",`, "", 1), strings.Replace(r.event, `"version":"1.2",`, "", 1)
		},
		"parent id":  func(r *request) { r.event = strings.Replace(r.event, "{", `{"parentId":"p",`, 1) },
		"ddsource":   func(r *request) { r.event = strings.Replace(r.event, "dd_debugger", "ruby", 1) },
		"runtime id": func(r *request) { r.event = strings.Replace(r.event, "r-1", "r-2", 1) },
		"case": func(r *request) {
			upper := strings.ToUpper(uploadID)
			r.envelope, r.event = strings.Replace(r.envelope, uploadID, upper, 1), strings.Replace(r.event, uploadID, upper, 1)
		},
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := newIntake(t, devintake.Options{})
			mustAccept(t, in, batchRequest(uploadID, 1, false))
			second := batchRequest(uploadID, 2, true)
			change(second)
			mustAccept(t, in, second)
			upload, _ := in.Upload(uploadID)
			want := []string{"metadata_differs 2: batch 2 has different metadata than batch 1"}
			if got := violationsOf(upload); !slices.Equal(got, want) || !upload.Complete {
				t.Errorf("violations %q, complete %t, want %q and complete", got, upload.Complete, want)
			}
		})
	}
}

func TestRepeatAndConflict(t *testing.T) {
	t.Parallel()
	for _, dir := range []string{"", t.TempDir()} {
		in := newIntake(t, devintake.Options{Dir: dir})
		first := batchRequest(uploadID, 1, true)
		mustAccept(t, in, first)
		mustAccept(t, in, first)
		mustAccept(t, in, first)
		otherFile := batchRequest(uploadID, 1, true, goodScope, goodScope)
		otherEvent := batchRequest(uploadID, 1, true)
		otherEvent.event = strings.Replace(otherEvent.event, "r-1", "r-2", 1)
		for _, req := range []*request{otherFile, otherEvent} {
			rec := req.send(t, in)
			if reason := reasonOf(t, rec); rec.Code != http.StatusConflict || reason != "batch 1 of upload "+uploadID+" is already stored with other bytes" {
				t.Errorf("%d %q, want Code %v and reason %v", rec.Code, reason, http.StatusConflict, "batch 1 of upload "+uploadID+" is already stored with other bytes")
			}
		}
		upload, _ := in.Upload(uploadID)
		want := []string{"conflict 1: batch 1 came again with other bytes (2 times)"}
		if got := violationsOf(upload); !slices.Equal(got, want) {
			t.Errorf("violations %q, want %v", got, want)
		}
		if upload.RepeatCount != 2 || upload.BatchCount != 1 || upload.ScopeCount != 1 || !upload.Complete || upload.Batches[0].ConflictCount != 2 {
			t.Errorf("upload %+v, want one batch of one scope, complete, which came again twice, with other bytes", upload)
		}
		batch, _ := in.Batch(uploadID, 1)
		if compressed, err := batch.Gzip(); err != nil || !bytes.Equal(compressed, gziptest.Compress(t, first.envelope)) {
			t.Errorf("stored bytes changed, %v", err)
		}
	}
}

func TestStoresInDir(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "made", "here")
	in := newIntake(t, devintake.Options{Dir: dir})
	requests := []*request{batchRequest(uploadID, 1, false), batchRequest(uploadID, 2, true)}
	for _, req := range requests {
		mustAccept(t, in, req)
	}
	var want []string
	for _, name := range []string{"1.event.json", "1.json.gz", "1.request.json", "2.event.json", "2.json.gz", "2.request.json"} {
		want = append(want, uploadID+"/"+name)
	}
	if got := filesIn(t, dir); !slices.Equal(got, want) {
		t.Errorf("files %q, want %v", got, want)
	}
	file, err := os.Open(filepath.Join(dir, uploadID, "2.json.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	raw, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(raw); err != nil || string(text) != requests[1].envelope {
		t.Errorf("%s, %v, want %v", text, err, requests[1].envelope)
	}

	if err := os.WriteFile(filepath.Join(dir, ".incoming-7"), []byte("left over"), 0o600); err != nil {
		t.Fatal(err)
	}
	again := newIntake(t, devintake.Options{Dir: dir})
	before, _ := in.Upload(uploadID)
	after, ok := again.Upload(uploadID)
	if !ok || fmt.Sprint(before) != fmt.Sprint(after) {
		t.Errorf("after loading\n%+v, want\n%+v", after, before)
	}
	if got := filesIn(t, dir); !slices.Equal(got, want) {
		t.Errorf("files %q, want %v", got, want)
	}
	mustAccept(t, again, requests[0])
	if upload, _ := again.Upload(uploadID); upload.RepeatCount != 1 {
		t.Errorf("upload %+v, want RepeatCount 1", upload)
	}
}

func TestRefusesDamagedDir(t *testing.T) {
	t.Parallel()
	tests := map[string]func(root *os.Root) error{
		"gzip":     func(root *os.Root) error { return root.WriteFile("1.json.gz", []byte("no"), 0o600) },
		"event":    func(root *os.Root) error { return root.Remove("1.event.json") },
		"request":  func(root *os.Root) error { return root.WriteFile("1.request.json", []byte("no"), 0o600) },
		"mismatch": func(root *os.Root) error { return root.WriteFile("1.event.json", []byte("{}"), 0o600) },
		"number": func(root *os.Root) error {
			return errors.Join(root.Rename("1.json.gz", "2.json.gz"), root.Rename("1.event.json", "2.event.json"))
		},
	}
	for name, damage := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			mustAccept(t, newIntake(t, devintake.Options{Dir: dir}), batchRequest(uploadID, 1, true))
			root, err := os.OpenRoot(filepath.Join(dir, uploadID))
			if err != nil {
				t.Fatal(err)
			}
			defer root.Close()
			if err := damage(root); err != nil {
				t.Fatal(err)
			}
			if _, err := devintake.New(devintake.Options{Dir: dir}); err == nil || !strings.Contains(err.Error(), uploadID) {
				t.Errorf("error %v, want %q in it", err, uploadID)
			}
			var skipped []error
			in := newIntake(t, devintake.Options{Dir: dir, OnSkip: func(err error) { skipped = append(skipped, err) }})
			if len(skipped) != 1 || !strings.Contains(skipped[0].Error(), uploadID) {
				t.Errorf("skipped %v, want one error with %q in it", skipped, uploadID)
			}
			if _, ok := in.Upload(uploadID); ok {
				t.Error("the damaged batch is loaded")
			}
			mustAccept(t, in, batchRequest(uploadID, 1, true))
		})
	}
}

func TestStoreFails(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "x")
	in := newIntake(t, devintake.Options{Dir: dir})
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	if rec := batchRequest(uploadID, 1, true).send(t, in); rec.Code != http.StatusInternalServerError || len(in.Uploads()) != 0 {
		t.Errorf("status %d: %s, want Code %v and no Uploads", rec.Code, rec.Body, http.StatusInternalServerError)
	}
}

func TestScopes(t *testing.T) {
	t.Parallel()
	in := newIntake(t, devintake.Options{Dir: t.TempDir()})
	var want []string
	for num := range 3 {
		want = append(want, wellFormed["go"], strings.Replace(goodScope, "main", fmt.Sprint(num), 1))
	}
	for _, num := range []int{2, 0, 1} {
		mustAccept(t, in, batchRequest(uploadID, num+1, num == 2, want[2*num:2*num+2]...))
	}
	var got []string
	for scope, err := range in.Scopes(strings.ToUpper(uploadID)) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, string(scope))
	}
	if !slices.Equal(got, want) {
		t.Errorf("scopes %q, want %q", got, want)
	}
	for scope, err := range in.Scopes(uploadID) {
		if err != nil || string(scope) != want[0] {
			t.Errorf("scope %s, %v, want %v", scope, err, want[0])
		}
		break
	}
	for scope, err := range in.Scopes("none") {
		if scope != nil || !errors.Is(err, devintake.ErrUnknownUpload) {
			t.Errorf("%s, %v, want %v", scope, err, devintake.ErrUnknownUpload)
		}
	}
}

func TestConcurrentUploads(t *testing.T) {
	t.Parallel()
	const uploads, batches = 50, 4
	in := newIntake(t, devintake.Options{Dir: t.TempDir()})
	server := httptest.NewServer(in)
	defer server.Close()
	var group sync.WaitGroup
	for i := range uploads {
		id := fmt.Sprintf("00000000-0000-4000-8000-%012d", i)
		group.Go(func() {
			for num := 1; num <= batches; num++ {
				for range 2 {
					req := batchRequest(id, num, num == batches).build(t)
					req.RequestURI = ""
					req.URL.Scheme, req.URL.Host = "http", strings.TrimPrefix(server.URL, "http://")
					res, err := server.Client().Do(req)
					if err != nil {
						t.Error(err)
						return
					}
					if _, err := io.Copy(io.Discard, res.Body); err != nil || res.StatusCode != http.StatusAccepted {
						t.Errorf("status %d, %v, want %v", res.StatusCode, err, http.StatusAccepted)
					}
					_ = res.Body.Close()
				}
			}
		})
	}
	group.Wait()
	all := in.Uploads()
	if len(all) != uploads || in.RefusalCount() != 0 {
		t.Fatalf("%d uploads, %d refusals, want %v and RefusalCount 0", len(all), in.RefusalCount(), uploads)
	}
	for _, upload := range all {
		if !upload.Complete || upload.BatchCount != batches || upload.RepeatCount != batches || len(upload.Violations) != 0 {
			t.Errorf("upload %+v, want %d batches, complete, each of which came again", upload, batches)
		}
	}
}

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/rogpeppe/go-internal/txtar"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/encoding/prototext"

	"github.com/scopegate/scopegate/cmd/scopegate/internal/ndjson"
	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
	"github.com/scopegate/scopegate/integration/gziptest"
	"github.com/scopegate/scopegate/server/devintake"
)

// captured is an upload of an existing uploader, written by hand.
type captured struct {
	method, target string
	headers        [][2]string
	batches        []string // bodies of requests, with the boundary XX
	envelopes      []string
	sections       map[string]string // the other sections of the file
}

// readCapture reads a file of testdata/uploaders. The text SIZE in an event is the size of the
// batch's file, which is compressed if its name ends with .gz.
func readCapture(t *testing.T, path string) *captured {
	t.Helper()
	archive, err := txtar.ParseFile(path)
	if err != nil {
		t.Fatal(err)
	}
	c := &captured{sections: make(map[string]string)}
	parts := make(map[string][]string)
	var order []string
	for _, file := range archive.Files {
		switch text := string(file.Data); {
		case file.Name == "request":
			lines := strings.Split(strings.TrimSpace(text), "\n")
			c.method, c.target, _ = strings.Cut(lines[0], " ")
			for _, line := range lines[1:] {
				name, value, _ := strings.Cut(line, ": ")
				c.headers = append(c.headers, [2]string{name, value})
			}
		case strings.HasPrefix(file.Name, "batch "):
			if parts[file.Name] == nil {
				order = append(order, file.Name)
			}
			parts[file.Name] = append(parts[file.Name], text)
		default:
			c.sections[file.Name] = text
		}
	}
	for _, name := range order {
		c.addBatch(t, parts[name])
	}
	return c
}

func (c *captured) addBatch(t *testing.T, parts []string) {
	t.Helper()
	var bodies, headers []string
	size := 0
	for _, part := range parts {
		header, body, _ := strings.Cut(part, "\n\n")
		body = strings.TrimSuffix(body, "\n")
		if strings.Contains(header, `name="file"`) {
			c.envelopes = append(c.envelopes, body)
			if strings.Contains(header, `.gz"`) {
				body = string(gziptest.Compress(t, body))
			}
			size = len(body)
		}
		headers, bodies = append(headers, strings.ReplaceAll(header, "\n", "\r\n")), append(bodies, body)
	}
	var batch strings.Builder
	for i, body := range bodies {
		if strings.Contains(headers[i], `name="event"`) {
			body = strings.ReplaceAll(body, "SIZE", fmt.Sprint(size))
		}
		fmt.Fprintf(&batch, "--XX\r\n%s\r\n\r\n%s\r\n", headers[i], body)
	}
	c.batches = append(c.batches, batch.String()+"--XX--\r\n")
}

// post sends the batches to an intake, as the uploader does.
func (c *captured) post(t *testing.T, address string) {
	t.Helper()
	for i, body := range c.batches {
		req, err := http.NewRequestWithContext(t.Context(), c.method, "http://"+address+c.target, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "multipart/form-data; boundary=XX")
		for _, header := range c.headers {
			req.Header.Set(header[0], header[1])
		}
		req.Close = true
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if err != nil || res.StatusCode != http.StatusAccepted {
			t.Fatalf("batch %d: %s: %s, %v, want %d", i+1, res.Status, answer, err, http.StatusAccepted)
		}
	}
}

// send uploads the same scopes to a server.
func (c *captured) send(t *testing.T, server string) (uploadID string) {
	t.Helper()
	metadata := &symdbv1.UploadMetadata{}
	if err := prototext.Unmarshal([]byte(c.sections["metadata"]), metadata); err != nil {
		t.Fatal(err)
	}
	conn, err := grpc.NewClient(server, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	stream, err := symdbv1.NewSymbolDatabaseServiceClient(conn).UploadScopes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	request := &symdbv1.UploadScopesRequest{Payload: &symdbv1.UploadScopesRequest_Metadata{Metadata: metadata}}
	if err := stream.Send(request); err != nil {
		t.Fatal(err)
	}
	for scope, err := range ndjson.Scopes(strings.NewReader(strings.Join(c.envelopes, "\n")), 1<<20) {
		if err != nil {
			t.Fatal(err)
		}
		request := &symdbv1.UploadScopesRequest{Payload: &symdbv1.UploadScopesRequest_Scope{Scope: scope}}
		if err := stream.Send(request); err != nil {
			t.Fatal(err)
		}
	}
	summary, err := stream.CloseAndRecv()
	if err != nil {
		t.Fatal(err)
	}
	return summary.GetUploadId()
}

// discard discards the output of a command.
func (s *started) discard() {
	go func() {
		for s.lines.Scan() {
		}
	}()
}

// stored returns the only upload of an intake.
func stored(t *testing.T, address string) devintake.Upload {
	t.Helper()
	var listing devintake.Listing
	_, text := get(t, address, "/uploads")
	if err := json.Unmarshal([]byte(text), &listing); err != nil || len(listing.Uploads) != 1 {
		t.Fatalf("GET /uploads: %s, %v, want 1 upload", text, err)
	}
	return listing.Uploads[0]
}

// TestUploaders: a lenient intake accepts the batches of each existing uploader, with the
// known deviations, and scopegate sends the same scopes and metadata for the same symbols.
func TestUploaders(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"go", "java", "dotnet", "python", "ruby", "newer"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := readCapture(t, filepath.Join("testdata", "uploaders", name+".txtar"))
			lenient := startCommand(t, noVariables, "intake", "--lenient", "--listen", "127.0.0.1:0")
			lenientAddress := lenient.address()
			lenient.discard()
			c.post(t, lenientAddress)
			theirs := stored(t, lenientAddress)

			var deviations, violations string
			for _, d := range theirs.Deviations {
				deviations += fmt.Sprintf("%s %d\n", d.Kind, d.Count)
			}
			for _, v := range theirs.Violations {
				violations += fmt.Sprintf("%s %d\n", v.Kind, v.BatchNum)
			}
			if diff := cmp.Diff(c.sections["deviations"], deviations); diff != "" {
				t.Errorf("deviations (-want +got):\n%s\n%+v", diff, theirs.Deviations)
			}
			if diff := cmp.Diff(c.sections["violations"], violations); diff != "" {
				t.Errorf("violations (-want +got):\n%s", diff)
			}
			var sender devintake.Sender
			if err := json.Unmarshal([]byte(c.sections["sender"]), &sender); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(sender, theirs.Sender); diff != "" {
				t.Errorf("sender (-want +got):\n%s", diff)
			}

			strict := startCommand(t, noVariables, "intake", "--listen", "127.0.0.1:0")
			strictAddress := strict.address()
			serve := startCommand(t, noVariables, "serve", "--listen", "127.0.0.1:0", "--intake-url", agentIntake(strictAddress))
			serverAddress := serve.address()
			strict.discard()
			uploadID := c.send(t, serverAddress)
			ours := stored(t, strictAddress)
			if diff := cmp.Diff(theirs, ours, cmpopts.IgnoreFields(devintake.Upload{}, "UploadID", "BatchCount", "ScopeCount",
				"RawBytes", "CompressedBytes", "Violations", "Deviations", "FinalBatchNum", "Complete")); diff != "" {
				t.Errorf("metadata of scopegate (-theirs +ours):\n%s", diff)
			}
			if hasEnd, want := ours.FinalBatchNum > 0, theirs.FinalBatchNum > 0; hasEnd != want {
				t.Errorf("scopegate sends a final batch: %t, want %t as theirs", hasEnd, want)
			}
			got := execute(t, "", "compare", "--intake", "http://"+strictAddress, "http://"+lenientAddress+"/uploads/"+theirs.UploadID, uploadID)
			if got.code != exitOK || got.stdout != c.sections["equal"] {
				t.Errorf("compare: %+v, want code %d and %q", got, exitOK, c.sections["equal"])
			}
		})
	}
}

// TestIntakePrintsDeviations: a lenient intake prints each kind of deviation once for an upload.
func TestIntakePrintsDeviations(t *testing.T) {
	t.Parallel()
	c := readCapture(t, filepath.Join("testdata", "uploaders", "java.txtar"))
	intake := startCommand(t, noVariables, "intake", "--lenient", "--listen", "127.0.0.1:0")
	address := intake.address()
	printed := make(chan []string, 1)
	go func() {
		var lines []string
		for intake.lines.Scan() {
			lines = append(lines, intake.lines.Text())
		}
		printed <- lines
	}()
	c.post(t, address)
	intake.cancel()
	var got []string
	for _, line := range <-printed {
		beginning, _, _ := strings.Cut(line, ": ")
		got = append(got, beginning)
	}
	const id = "0191c1f2-7a1b-7c3d-8e4f-000000000002"
	want := []string{
		`batch 1 of ` + id + `, "shop" "1.2" (JAVA)`,
		"  deviation empty, 9 times", "  deviation event_differs, 1 time", "  deviation key_order, 12 times",
		"  deviation part_header, 1 time", "  deviation part_order, 1 time",
		`batch 3 of ` + id + `, "shop" "1.2" (JAVA)`,
		"  deviation not_compressed, 1 time",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("printed (-want +got):\n%s", diff)
	}
}

package integration_test

import (
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc/metadata"

	"github.com/scopegate/scopegate/integration/internal/testbed"
)

// TestTextsInjectNothing has clients choose names that would break out of JSON, of
// a header, of a multipart body, of a log line or of a terminal. The intake gets
// them as they are, and nothing else comes of them.
func TestTextsInjectNothing(t *testing.T) {
	t.Parallel()
	const injected = "injected4c0d"
	for name, text := range map[string]string{
		"JSON":             `x","` + injected + `":true,"final":"`,
		"header":           "x\r\nX-" + injected + ": 1\r\n\r\nPOST / HTTP/1.1",
		"multipart":        "x\r\n--boundary\r\nContent-Disposition: form-data; name=\"" + injected + "\"\r\n\r\n",
		"log line of text": "x\ntime=2020-01-01T00:00:00Z level=ERROR msg=" + injected,
		"log line of JSON": "x\n{\"level\":\"ERROR\",\"msg\":\"" + injected + "\"}",
		"log field":        `x level=ERROR msg="` + injected + `"`,
		"terminal":         "x\x1b[2J\x1b]0;" + injected + "\x07\u009b\u202e",
		"tags":             "x,env:" + injected + ",y:z",
		"format verbs":     "%s%n%!d(" + injected + ")",
		"zero byte":        "x\x00" + injected,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bed := testbed.New(t, testbed.Options{})
			md, scopes := testbed.NewMetadata(), testbed.NewSource(1).Functions(2)
			md.Service, md.Version, md.Env, md.Language, md.RuntimeId = text, &text, &text, text, text
			md.Tags, md.ContainerId, md.EntityId, md.ExternalEnv = []string{text}, text, text, text
			md.ParentId, md.Ddsource, md.EventLanguage = &text, &text, &text
			scopes[0].Name, scopes[1].ScopeType = &text, text
			own := []string{"X-Datadog-Additional-Tags", "Datadog-Container-Id", "Datadog-Entity-Id", "Datadog-External-Env"}
			ctx := metadata.AppendToOutgoingContext(testbed.Context(t), "x-"+injected+"-bin", text)
			summary, err := testbed.UploadOnce(ctx, bed.Client, md, scopes)
			if err != nil {
				t.Fatal(err)
			}
			bed.Intake.RequireDelivered(t, summary, md, scopes)
			for _, post := range bed.Intake.Posts() {
				for key, values := range post.Header {
					said := append(values, key)
					if slices.Contains(own, key) {
						said = []string{key}
					}
					for _, value := range said {
						if strings.Contains(strings.ToLower(value), injected) {
							t.Errorf("the intake got the header %s: %q", key, values)
						}
					}
				}
				if tags := post.Header.Get(own[0]); strings.Contains(tags, ",") {
					t.Errorf("one tag became several: %q", tags)
				}
			}
			for _, line := range []string{"\ntime=2020", "\n{\"level\"", "x\x1b", "\x07", "\x00", "\u009b", "\nlevel=ERROR", " level=ERROR msg=\"" + injected} {
				if bed.Server.Logged(line) > 0 {
					t.Errorf("the log has %q, want none", line)
				}
			}
			bed.Stop(t)
			if bed.Server.Logged(injected) == 0 {
				t.Error("the log has no line about the upload")
			}
		})
	}
}

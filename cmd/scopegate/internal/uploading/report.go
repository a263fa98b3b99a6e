package uploading

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/scopegate/scopegate/client"
	"github.com/scopegate/scopegate/cmd/scopegate/internal/settings"
)

// Report is the outcome of an upload. Scripts read its JSON: keys may be added, but do
// not change their meaning.
type Report struct {
	UploadID        string `json:"upload_id"`
	Service         string `json:"service,omitempty"`
	Env             string `json:"env,omitempty"`
	Version         string `json:"version,omitempty"`
	Language        string `json:"language,omitempty"`
	ScopeCount      int64  `json:"scope_count,omitempty"`
	BatchCount      int32  `json:"batch_count,omitempty"`
	RawBytes        int64  `json:"raw_bytes,omitempty"`
	CompressedBytes int64  `json:"compressed_bytes,omitempty"`
	// Resumed means that RawBytes and CompressedBytes are those of the last stream. The
	// server does not report them for failed streams.
	Resumed         bool     `json:"resumed,omitempty"`
	DurationSeconds float64  `json:"duration_seconds,omitempty"`
	Error           *Failure `json:"error,omitempty"`
}

// Failure is why an upload failed.
type Failure struct {
	Message  string `json:"message"`
	ExitCode int    `json:"exit_code"`
	// Retryable reports whether the same upload may succeed later.
	Retryable bool `json:"retryable"`
	// GRPCCode, Reason and Fields are from the server, IntakeStatus is from the intake.
	GRPCCode     string         `json:"grpc_code,omitempty"`
	Reason       string         `json:"reason,omitempty"`
	Fields       []invalidField `json:"fields,omitempty"`
	IntakeStatus int32          `json:"intake_http_status,omitempty"`
}

type invalidField struct {
	Path        string `json:"path"`
	Description string `json:"description"`
}

// Describe records the upload's metadata.
func (r *Report) Describe(metadata client.Metadata) {
	r.Service, r.Language = metadata.Service, metadata.Language
	if metadata.Env != nil {
		r.Env = *metadata.Env
	}
	if metadata.Version != nil {
		r.Version = *metadata.Version
	}
}

// Resume records that the upload resumes after a failure.
func (r *Report) Resume(event client.RetryEvent) {
	r.UploadID = event.UploadID // a new one if the upload starts over
	r.Resumed = event.AcceptedScopeCount > 0
}

// Summarize records what the server has accepted.
func (r *Report) Summarize(result client.Result, duration time.Duration) {
	r.UploadID = result.UploadID
	r.ScopeCount = result.ScopeCount
	r.BatchCount = result.BatchCount
	r.RawBytes = result.RawBytes
	r.CompressedBytes = result.CompressedBytes
	r.DurationSeconds = duration.Seconds()
}

// Print prints the report of an upload that succeeded.
func (r *Report) Print(w io.Writer) {
	of := ""
	if r.Resumed {
		of = " since it resumed"
	}
	fmt.Fprintf(w, "uploaded %s: %s in %s, %s of JSON as %s of gzip%s, in %.1f s\nupload id %s\n",
		strings.TrimSpace(r.Service+" "+r.Version), settings.FormatCount(r.ScopeCount, "scope"),
		settings.FormatCount(int64(r.BatchCount), "batch"),
		settings.FormatBytes(r.RawBytes), settings.FormatBytes(r.CompressedBytes), of, r.DurationSeconds, r.UploadID)
}

// PrintJSON prints the report as a JSON object.
func (r *Report) PrintJSON(w io.Writer) error {
	if err := json.NewEncoder(w).Encode(r); err != nil {
		return fmt.Errorf("print the summary: %w", err)
	}
	return nil
}

// Fail records why the upload failed.
func (r *Report) Fail(err error, exitCode int, retryable bool) {
	failure := &Failure{Message: err.Error(), ExitCode: exitCode, Retryable: retryable}
	if status, ok := errors.AsType[*client.Error](err); ok {
		failure.GRPCCode = status.Code().String()
		failure.Reason = status.Reason()
		failure.IntakeStatus = status.IntakeFailure().GetHttpStatus()
		for _, violation := range status.FieldViolations() {
			failure.Fields = append(failure.Fields,
				invalidField{Path: violation.GetField(), Description: violation.GetDescription()})
		}
	}
	r.Error = failure
}

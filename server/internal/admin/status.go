package admin

import "time"

// StatusSchema is the version of [Status]'s fields.
const StatusSchema = 1

// Status is the content of the page, for programs. docs/admin.md describes its JSON.
// Fields may be added; renaming, removing or redefining one raises StatusSchema. Its
// strings are not trusted, but bounded.
type Status struct {
	SchemaVersion int            `json:"schema_version"`
	Taken         time.Time      `json:"taken"`
	Server        StatusServer   `json:"server"`
	State         string         `json:"state"` // the severity of the worst problem, or "well"
	Problems      []StatusIssue  `json:"problems"`
	Memory        StatusMemory   `json:"memory"`
	Rates         StatusRates    `json:"rates"`
	Intake        StatusIntake   `json:"intake"`
	UploadCount   int            `json:"upload_count"`
	Uploads       []StatusUpload `json:"uploads"`
	Finished      []StatusEnd    `json:"finished"`
}

// StatusServer describes the server itself.
type StatusServer struct {
	Version  string    `json:"version"`
	Started  time.Time `json:"started"`
	Stopping bool      `json:"stopping"`
}

// StatusIssue is a problem. Severity is "failing" (uploads fail), "strained" (uploads are
// slow) or "notice".
type StatusIssue struct {
	Severity string    `json:"severity"`
	Title    string    `json:"title"`
	Text     string    `json:"text"`
	Since    time.Time `json:"since,omitzero"`
}

// StatusMemory is the state of the memory budget, as in [Memory].
type StatusMemory struct {
	LimitBytes      int64 `json:"limit_bytes"`
	DrawnBytes      int64 `json:"drawn_bytes"`
	PeakBytes       int64 `json:"peak_bytes"`
	WaitingUploads  int   `json:"waiting_uploads"`
	Short           bool  `json:"short"`
	Refusing        bool  `json:"refusing"`
	SpoolBytes      int64 `json:"spool_bytes"`
	SpoolLimitBytes int64 `json:"spool_limit_bytes"`
}

// StatusRates are means of the last seconds. Received bytes are protobuf, accepted ones
// gzip.
type StatusRates struct {
	ScopesPerSecond        float64 `json:"scopes_per_second"`
	ReceivedBytesPerSecond float64 `json:"received_bytes_per_second"`
	JSONBytesPerSecond     float64 `json:"json_bytes_per_second"`
	AcceptedBytesPerSecond float64 `json:"accepted_bytes_per_second"`
}

// StatusIntake is the state of the intake, as in [Intake]. Condition says in words what
// State, the attempts and the failures together mean.
type StatusIntake struct {
	Host           string          `json:"host"`
	State          string          `json:"state"`
	Condition      string          `json:"condition"`
	PostingBatches int             `json:"posting_batches"`
	RetryAt        time.Time       `json:"retry_at,omitzero"`
	SilentSince    time.Time       `json:"silent_since,omitzero"`
	FailingSince   time.Time       `json:"failing_since,omitzero"`
	FailedInRow    int64           `json:"failed_in_row"`
	RefusingSince  time.Time       `json:"refusing_since,omitzero"`
	RefusedInRow   int64           `json:"refused_in_row"`
	Attempts       []StatusOutcome `json:"attempts"`
	Latency        StatusLatency   `json:"latency"`
	Failures       []StatusFailure `json:"failures"`
}

// StatusOutcome counts the attempts since the start that ended in one way.
type StatusOutcome struct {
	Outcome  string `json:"outcome"`
	Accepted bool   `json:"accepted"`
	Count    int64  `json:"count"`
}

// StatusLatency is how long the last answered attempts took.
type StatusLatency struct {
	AttemptCount  int     `json:"attempt_count"`
	MedianSeconds float64 `json:"median_seconds"`
	P90Seconds    float64 `json:"p90_seconds"`
	MaxSeconds    float64 `json:"max_seconds"`
}

// StatusFailure is a failed attempt, or several equal ones, as in [Failure].
type StatusFailure struct {
	At              time.Time `json:"at"`
	Since           time.Time `json:"since"`
	Count           int64     `json:"count"`
	Outcome         string    `json:"outcome"`
	HTTPStatus      int       `json:"http_status,omitzero"`
	Reason          string    `json:"reason"`
	BatchNum        int32     `json:"batch_num"`
	DurationSeconds float64   `json:"duration_seconds"`
}

// StatusLabel names an upload.
type StatusLabel struct {
	UploadID string `json:"upload_id"`
	Service  string `json:"service"`
	Version  string `json:"version"`
	Language string `json:"language"`
	Tenant   string `json:"tenant,omitzero"`
}

// StatusUpload is a stream in flight, as in [Upload].
type StatusUpload struct {
	StatusLabel

	Began              time.Time `json:"began"`
	State              string    `json:"state"`
	Stuck              bool      `json:"stuck"`
	ScopeCount         int64     `json:"scope_count"`
	ReceivedBytes      int64     `json:"received_bytes"`
	JSONBytes          int64     `json:"json_bytes"`
	GzipBytes          int64     `json:"gzip_bytes"`
	HeldBytes          int64     `json:"held_bytes"`
	BatchNum           int32     `json:"batch_num"`
	AcceptedBatchCount int32     `json:"accepted_batch_count"`
}

// StatusEnd is a stream that has ended, as in [Finished].
type StatusEnd struct {
	StatusLabel

	Ended              time.Time `json:"ended"`
	DurationSeconds    float64   `json:"duration_seconds"`
	Code               string    `json:"code"`
	Reason             string    `json:"reason,omitzero"`
	Detail             string    `json:"detail,omitzero"`
	ScopeCount         int64     `json:"scope_count"`
	AcceptedScopeCount int64     `json:"accepted_scope_count"`
	JSONBytes          int64     `json:"json_bytes"`
	GzipBytes          int64     `json:"gzip_bytes"`
	BatchCount         int32     `json:"batch_count"`
}

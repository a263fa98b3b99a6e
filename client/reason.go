package client

// Reasons of a server, see [Error.Reason]. docs/protocol.md says what a client should do
// about each; this package does.
const (
	// ReasonStreamInvalid: the order or the form of the messages is wrong, or there is no
	// scope.
	ReasonStreamInvalid = "STREAM_INVALID"
	// ReasonMetadataInvalid: a field of the metadata is wrong or missing.
	ReasonMetadataInvalid = "METADATA_INVALID"
	// ReasonScopeInvalid: a scope is malformed, nested too deep or lacks a required field.
	ReasonScopeInvalid = "SCOPE_INVALID"
	// ReasonScopeTooLarge: a scope is larger than the server's limit.
	ReasonScopeTooLarge = "SCOPE_TOO_LARGE"
	// ReasonBatchTooLarge: a stream of a single batch does not fit into one.
	ReasonBatchTooLarge = "BATCH_TOO_LARGE"
	// ReasonUnauthenticated: the call has no valid token or certificate of a tenant.
	ReasonUnauthenticated = "UNAUTHENTICATED"
	// ReasonPermissionDenied: the upload_id belongs to another tenant, or the tenant may
	// not upload for the service.
	ReasonPermissionDenied = "PERMISSION_DENIED"
	// ReasonShuttingDown: the server is stopping.
	ReasonShuttingDown = "SHUTTING_DOWN"
	// ReasonConnectionAge: the stream has reached the server's maximum age.
	ReasonConnectionAge = "CONNECTION_AGE"
	// ReasonOverloaded: the server has no room for the upload.
	ReasonOverloaded = "OVERLOADED"
	// ReasonTooSlow: the client has sent next to nothing for too long.
	ReasonTooSlow = "TOO_SLOW"
	// ReasonIntakeUnreachable: the intake could not be reached, or closed the connection.
	ReasonIntakeUnreachable = "INTAKE_UNREACHABLE"
	// ReasonIntakeTimeout: the intake did not answer in time.
	ReasonIntakeTimeout = "INTAKE_TIMEOUT"
	// ReasonIntakeUnavailable: the intake answered that it is unavailable or overloaded.
	ReasonIntakeUnavailable = "INTAKE_UNAVAILABLE"
	// ReasonIntakeRefused: the intake refused the batch.
	ReasonIntakeRefused = "INTAKE_REFUSED"
	// ReasonAgentUnsupported: the intake is an agent that is too old for symbols.
	ReasonAgentUnsupported = "AGENT_UNSUPPORTED"
	// ReasonScopeUnsplittable: a scope is larger than the intake accepts, and has no
	// children to split it at. [Error.FieldViolations] names it.
	ReasonScopeUnsplittable = "SCOPE_UNSPLITTABLE"
	// ReasonCancelled: the client has canceled the call.
	ReasonCancelled = "CANCELLED"
	// ReasonDeadlineExceeded: the client's deadline has passed.
	ReasonDeadlineExceeded = "DEADLINE_EXCEEDED"
	// ReasonInternal: a bug in the server, which has logged it.
	ReasonInternal = "INTERNAL"
)

package uploading

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/scopegate/scopegate/client"
	"github.com/scopegate/scopegate/cmd/scopegate/internal/settings"
	"github.com/scopegate/scopegate/server"
)

// Explainer explains gRPC's errors in terms of the upload and the command's flags.
type Explainer struct {
	Servers   []string
	Lines     *Lines
	Security  SecurityFlags
	WithToken bool
	Timeout   time.Duration
}

// explainedError is an error with another text.
type explainedError struct {
	text string
	err  error
}

func (e *explainedError) Error() string { return e.text }
func (e *explainedError) Unwrap() error { return e.err }

// Final returns the error that ended an upload, with advice.
func (x Explainer) Final(err error) error {
	if _, isUsage := errors.AsType[*settings.UsageError](err); err == nil || isUsage {
		return err
	}
	advice := ""
	if failure, ok := errors.AsType[*client.Error](err); ok {
		err = x.Brief(err)
		advice = x.advice(failure)
	}
	text := deepPath.ReplaceAllString(x.Lines.named(err.Error()), "${1}….${2}")
	if advice != "" {
		text += " (" + advice + ")"
	}
	return &explainedError{text: text, err: err}
}

// deepPath is a path through many scopes.
var deepPath = regexp.MustCompile(`((?:scopes\[\d+\]\.){3})(?:scopes\[\d+\]\.){2,}(scopes\[\d+\])`)

// Brief returns an error of an upload with its meaning, or unchanged if it is unknown.
func (x Explainer) Brief(err error) error {
	failure, ok := errors.AsType[*client.Error](err)
	if !ok {
		return err
	}
	meaning := x.meaning(failure)
	if meaning == "" {
		return err
	}
	return &explainedError{text: strings.Replace(err.Error(), failure.Error(), meaning, 1), err: err}
}

// tooDeep ends the server's message about a scope that is nested too deep.
const tooDeep = "nested too deep"

// advice says what to do about a failure, or "". It follows docs/protocol.md.
func (x Explainer) advice(failure *client.Error) string {
	if client.IsRetryable(failure) {
		if kind := kindOf(failure); kind != nil && kind.withCert != "" {
			return "" // the meaning says what to do
		}
		return "the same upload may succeed later"
	}
	switch failure.Reason() {
	case client.ReasonUnauthenticated:
		if x.WithToken {
			return "the server does not accept the token; retrying will not help"
		}
		if x.Security.Cert != "" {
			return "the server does not accept the certificate; retrying will not help"
		}
		return "set --token-file or SCOPEGATE_UPLOAD_TOKEN, or --cert and --key"
	case client.ReasonPermissionDenied:
		if len(failure.FieldViolations()) > 0 { // of the service, which the message names
			return "use another --service, or ask the server's operator to permit this one"
		}
		return "use another --upload-id"
	case client.ReasonIntakeRefused, client.ReasonAgentUnsupported:
		return "retrying will not help until the server or its intake is fixed: ask its operator"
	case client.ReasonScopeInvalid:
		if strings.HasSuffix(failure.GRPCStatus().Message(), tooDeep) {
			return "the server's --max-depth is the limit, by default " + strconv.Itoa(server.DefaultConfig().MaxDepth)
		}
	case client.ReasonScopeUnsplittable:
		return "leave out the scope; if small scopes fail too, tell the server's operator"
	case client.ReasonInternal:
		return "this is a bug in the server: please report it, with the server's log"
	}
	if failure.Code() == codes.Unimplemented {
		return "it may be another kind of server, or another version"
	}
	return ""
}

// meaning explains the failure of a connection, or a timeout. It returns "" if the
// server has given a reason.
func (x Explainer) meaning(failure *client.Error) string {
	if failure.Reason() != "" {
		return ""
	}
	said := failure.GRPCStatus().Message()
	switch failure.Code() {
	case codes.Unavailable:
		switch kind := kindOf(failure); {
		case kind == &connectionClosed:
			return kind.text(x.where(), said) + x.whyClosed(failure)
		case kind != nil && kind.withCert != "" && x.Security.Cert != "":
			return fmt.Sprintf(kind.withCert, x.where())
		case kind != nil:
			return kind.text(x.where(), said)
		}
	case codes.DeadlineExceeded:
		switch {
		case !errors.Is(failure, context.DeadlineExceeded) || x.Timeout == 0:
		case strings.Contains(said, "waiting for connections"):
			return fmt.Sprintf("no answer from a server at %s within the --timeout of %v", x.where(), x.Timeout)
		default:
			return fmt.Sprintf("the upload did not finish within the --timeout of %v", x.Timeout)
		}
	default:
	}
	return ""
}

func (x Explainer) where() string { return strings.Join(x.Servers, " or ") }

// Permanent returns a usage error if retrying will not help, although the client would:
// the only server was reached and does not match the flags. Otherwise it returns nil.
func (x Explainer) Permanent(err error) error {
	failure, ok := errors.AsType[*client.Error](err)
	if !ok || len(x.Servers) != 1 {
		return nil
	}
	if kind := kindOf(failure); kind != nil && kind.permanent {
		text := kind.text(x.where(), failure.GRPCStatus().Message())
		return &settings.UsageError{Err: &explainedError{text: text, err: err}}
	}
	return nil
}

// connectionError is a kind of failed connection, recognized by gRPC's message.
type connectionError struct {
	// parts are the texts of which the message contains at least one.
	parts []string
	// means is the explanation; %s stands for the server's address.
	means string
	// withCert replaces means if --cert is set. With it, retrying alone will not help.
	withCert string
	// cause means that the text after the last colon is the cause.
	cause bool
	// permanent means that the server does not match the flags.
	permanent bool
}

// connectionErrors are tried in this order. Their texts are from packages syscall and
// crypto/tls and from gRPC, which keeps only an error's text.
var connectionErrors = []connectionError{
	{
		parts: []string{"connection refused", "no such file or directory"},
		means: "no server at %s: start one with `scopegate serve`, or set --server",
	},
	{
		parts: []string{"zero addresses", "no such host", "record lookup error"},
		means: "can't resolve the host name in %s: check --server",
	},
	{parts: []string{"permission denied"}, means: "no permission to connect to %s"},
	{
		parts:     []string{"first record does not look like a TLS handshake"},
		means:     "the server at %s does not speak TLS: use --plaintext, without --tls, --ca, --cert, --key and --server-name",
		permanent: true,
	},
	{
		parts: []string{"unknown authority", "certificate is not trusted"}, cause: true, permanent: true,
		means: "the server at %s has a certificate from an untrusted authority: set --ca to the authority's file",
	},
	{
		parts: []string{"certificate is valid for", "doesn't contain any IP SANs", "certificate is not valid for any names"},
		means: "the certificate of the server at %s is for another host: check --server and --server-name",
		cause: true, permanent: true,
	},
	{
		parts: []string{"certificate has expired or is not yet valid"},
		means: "the certificate of the server at %s has expired, or is not valid yet", cause: true, permanent: true,
	},
	{
		parts: []string{"certificate required", "bad certificate", "unknown certificate", "expired certificate"},
		means: "the server at %s requires a certificate that it trusts: set --cert and --key",
		withCert: "the server at %s does not accept the certificate of --cert: it is from another authority, expired, " +
			"or not for clients; the server's log has the reason",
	},
	{
		parts: []string{"authentication handshake failed"},
		means: "TLS with the server at %s failed", cause: true,
	},
	{
		parts: []string{"http2: frame too large", "malformed HTTP"},
		means: "the server at %s does not speak gRPC", permanent: true,
	},
	{
		parts: []string{"connect handshake", "proxyconnect"},
		means: "the proxy from the environment (HTTPS_PROXY, NO_PROXY) can't connect to %s", cause: true,
	},
	{parts: []string{"Error while dialing"}, means: "the server at %s can't be reached", cause: true},
}

// connectionClosed is a connection that was lost, at its beginning or later.
var connectionClosed = connectionError{
	parts: []string{
		"reading server preface", "broken pipe", "connection reset", "error reading from server", "transport is closing",
	},
	means: "the server at %s closed the connection",
}

// kindOf returns the kind of a connection's failure, or nil for another failure.
func kindOf(failure *client.Error) *connectionError {
	if failure.Code() != codes.Unavailable || failure.Reason() != "" {
		return nil
	}
	return kindOfConnectionError(failure.GRPCStatus().Message())
}

func kindOfConnectionError(said string) *connectionError {
	for i := range connectionErrors {
		if connectionErrors[i].matches(said) {
			return &connectionErrors[i]
		}
	}
	if connectionClosed.matches(said) {
		return &connectionClosed
	}
	return nil
}

func (k *connectionError) matches(said string) bool {
	return slices.ContainsFunc(k.parts, func(part string) bool { return strings.Contains(said, part) })
}

// whyClosed returns advice that the flags suggest. A server that requires a certificate
// may close the connection after the handshake without a message.
func (x Explainer) whyClosed(failure *client.Error) string {
	f := x.Security
	switch {
	case f.Cert != "":
	case f.Plaintext:
		return ": if it speaks TLS, set --tls or --ca instead of --plaintext"
	case f.TLS || f.CA != "" || f.ServerName != "":
		return ": if it requires a certificate, set --cert and --key"
	case strings.HasPrefix(failure.Error(), "open upload"):
		return ": if it speaks TLS, set --tls or --ca"
	}
	return ""
}

func (k *connectionError) text(where, said string) string {
	text := fmt.Sprintf(k.means, where)
	if k.cause {
		cause := strings.TrimSuffix(said, `"`)
		text += ":" + cause[strings.LastIndex(cause, ": ")+1:]
	}
	return text
}

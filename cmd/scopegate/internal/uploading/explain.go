package uploading

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/scopegate/scopegate/client"
	"github.com/scopegate/scopegate/cmd/scopegate/internal/settings"
)

// Explainer turns gRPC's errors into what they mean for an upload, in terms of the
// command's flags.
type Explainer struct {
	Servers   []string
	Security  SecurityFlags
	WithToken bool
	Timeout   time.Duration
}

// ReasonUnsplittable is the server's reason for refusing a scope that no intake takes.
const ReasonUnsplittable = "SCOPE_UNSPLITTABLE"

// explainedError is an error with another text.
type explainedError struct {
	text string
	err  error
}

func (e *explainedError) Error() string { return e.text }
func (e *explainedError) Unwrap() error { return e.err }

// Final returns what ended an upload, with what to do.
func (x Explainer) Final(err error) error {
	failure, ok := errors.AsType[*client.Error](err)
	if _, isUsage := errors.AsType[*settings.UsageError](err); !ok || isUsage {
		return err
	}
	err = x.Brief(err)
	if advice := x.advice(failure); advice != "" {
		return &explainedError{text: err.Error() + " (" + advice + ")", err: err}
	}
	return err
}

// Brief returns an error of an upload with what it means. What is not known stays as
// it is.
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

// advice says whether trying again is of use, and what is, as docs/protocol.md has
// it.
func (x Explainer) advice(failure *client.Error) string {
	if errors.Is(failure, client.ErrUpload) {
		return "the same upload may succeed later"
	}
	switch failure.Reason() {
	case "UNAUTHENTICATED":
		if x.WithToken {
			return "the token is not valid there; trying again is of no use"
		}
		return "give a token: --token-file or SCOPEGATE_TOKEN; or a certificate: --cert and --key"
	case "PERMISSION_DENIED":
		return "upload under another --upload-id"
	case "INTAKE_REFUSED":
		return "trying again is of no use before something is changed at the server or at its intake: tell its operator"
	case ReasonUnsplittable:
		return "leave the scope out"
	case "INTERNAL":
		return "it is a fault of the server, which has logged it: report it"
	}
	if failure.Code() == codes.Unimplemented {
		return "it may not be a scopegate server, or one of another version"
	}
	return ""
}

// meaning says what has happened to the connection, or to the time; "" where the
// server has said what has happened.
func (x Explainer) meaning(failure *client.Error) string {
	if failure.Reason() != "" {
		return ""
	}
	said := failure.GRPCStatus().Message()
	switch failure.Code() {
	case codes.Unavailable:
		switch kind := kindOfConnectionError(said); {
		case kind == &connectionClosed:
			return kind.text(x.where(), said) + x.whyClosed(failure)
		case kind != nil:
			return kind.text(x.where(), said)
		}
	case codes.DeadlineExceeded:
		switch {
		case !errors.Is(failure, context.DeadlineExceeded) || x.Timeout == 0:
		case strings.Contains(said, "waiting for connections"):
			return fmt.Sprintf("no answer from a server at %s within the --timeout of %v", x.where(), x.Timeout)
		default:
			return fmt.Sprintf("the upload was not done within the --timeout of %v", x.Timeout)
		}
	default:
	}
	return ""
}

func (x Explainer) where() string { return strings.Join(x.Servers, " or ") }

// LastsForEver returns an error where trying again is of no use, though the client
// would, because the server was reached and is not what the flags say; nil where it
// may be of use. Of several servers another one may be right.
func (x Explainer) LastsForEver(err error) error {
	failure, ok := errors.AsType[*client.Error](err)
	if !ok || len(x.Servers) != 1 || failure.Code() != codes.Unavailable || failure.Reason() != "" {
		return nil
	}
	said := failure.GRPCStatus().Message()
	if kind := kindOfConnectionError(said); kind != nil && kind.forEver {
		return &settings.UsageError{Err: &explainedError{text: kind.text(x.where(), said), err: err}}
	}
	return nil
}

// connectionError is how a connection fails, as gRPC words it.
type connectionError struct {
	// parts are what the words have in them, one of them.
	parts []string
	// means is what they mean; %s stands for the server's address.
	means string
	// cause is set where the words behind the last colon say why.
	cause bool
	// forEver is set where the server has shown that it will not do.
	forEver bool
}

// connectionErrors are looked through in this order. The words are those of package
// syscall, crypto/tls and gRPC, which hands on no error but its text.
var connectionErrors = []connectionError{
	{
		parts: []string{"connection refused", "no such file or directory"},
		means: "no server at %s: start one with `scopegate serve`, or name it with --server",
	},
	{
		parts: []string{"zero addresses", "no such host", "record lookup error"},
		means: "the host's name in %s can't be resolved: see --server",
	},
	{parts: []string{"permission denied"}, means: "this user may not connect to %s"},
	{
		parts:   []string{"first record does not look like a TLS handshake"},
		means:   "the server at %s does not speak TLS: give --plaintext, without --tls, --ca, --cert, --key and --server-name",
		forEver: true,
	},
	{
		parts: []string{"unknown authority", "certificate is not trusted"}, cause: true, forEver: true,
		means: "the certificate of the server at %s is from an authority that is not trusted here: give it with --ca",
	},
	{
		parts: []string{"certificate is valid for", "doesn't contain any IP SANs", "certificate is not valid for any names"},
		means: "the certificate of the server at %s is for another host, see --server and --server-name",
		cause: true, forEver: true,
	},
	{
		parts: []string{"certificate has expired or is not yet valid"},
		means: "the certificate of the server at %s has expired, or is not valid yet", cause: true, forEver: true,
	},
	{
		parts: []string{"certificate required", "bad certificate", "unknown certificate"},
		means: "the server at %s wants a certificate that it trusts: give --cert and --key",
	},
	{
		parts: []string{"authentication handshake failed"},
		means: "TLS with the server at %s failed", cause: true,
	},
	{
		parts: []string{"http2: frame too large", "malformed HTTP"},
		means: "what answers at %s does not speak gRPC", forEver: true,
	},
	{
		parts: []string{"connect handshake", "proxyconnect"},
		means: "the proxy of the environment (HTTPS_PROXY, NO_PROXY) does not connect to %s", cause: true,
	},
	{parts: []string{"Error while dialing"}, means: "the server at %s can't be reached", cause: true},
}

// connectionClosed is how the loss of a connection looks, at its beginning or later.
var connectionClosed = connectionError{
	parts: []string{
		"reading server preface", "broken pipe", "connection reset", "error reading from server", "transport is closing",
	},
	means: "the server at %s has closed the connection",
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

// whyClosed names a reason that the flags suggest. A server that wants a certificate
// may close the connection behind the handshake, without a word that arrives.
func (x Explainer) whyClosed(failure *client.Error) string {
	f := x.Security
	switch {
	case f.Cert != "":
	case f.TLS || f.CA != "" || f.ServerName != "":
		return ": if it wants a certificate, give --cert and --key"
	case strings.HasPrefix(failure.Error(), "open upload"):
		return ": if it speaks TLS, give --tls or --ca"
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

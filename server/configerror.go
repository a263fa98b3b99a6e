package server

import (
	"fmt"

	"golang.org/x/net/http/httpguts"

	"github.com/scopegate/scopegate/server/internal/intake"
	"github.com/scopegate/scopegate/server/internal/text"
)

// MaxSocketPathBytes is the longest path of a unix socket: 107 bytes on Linux.
const MaxSocketPathBytes = intake.MaxSocketPathBytes

// FormatSize returns a number of bytes as settings are written: in the largest unit of
// 1024 bytes that divides it, such as 32MiB.
func FormatSize(n int64) string { return text.Bytes(n) }

// ConfigError reports a setting of [Config] that is out of range. [New] and
// [Config.Validate] return it. Errors in a file that a setting names are a [*FileError].
type ConfigError struct {
	// Field is the setting's path in [Config], such as `Intake.PostTimeout`.
	Field string
	// Value is the setting's value. It is empty if it may be secret, as a URL may.
	Value string
	// Reason says what is wrong with the value, such as `is negative`.
	Reason string
}

// Error returns the field, the value and the reason.
func (e *ConfigError) Error() string {
	if e.Value == "" {
		return e.Field + " " + e.Reason
	}
	return fmt.Sprintf("%s: %s %s", e.Field, e.Value, e.Reason)
}

// FileError reports a file that a setting of [Config] names and that can't be used. [New]
// returns it.
type FileError struct {
	// Field is the setting's path in [Config], such as `TLS.CertFile`.
	Field string
	// Err names the file.
	Err error
}

// Error returns the field and the error.
func (e *FileError) Error() string { return e.Field + ": " + e.Err.Error() }

// Unwrap returns Err.
func (e *FileError) Unwrap() error { return e.Err }

func refused(field string, value any, reason string) error {
	return &ConfigError{Field: field, Value: fmt.Sprint(value), Reason: reason}
}

// refusedSecret is refused for a value that must not be shown.
func refusedSecret(field, reason string) error { return &ConfigError{Field: field, Reason: reason} }

const (
	isNegative    = "is negative"
	isNotPositive = "is not positive"
	hasControl    = "contains a control character"
)

// outside returns the reason for a number of bytes that is out of range.
func outside(least, most int64) string {
	return "is not between " + text.Bytes(least) + " and " + text.Bytes(most)
}

// containsControl reports whether s is invalid in a header (RFC 9110, section 5.5).
func containsControl(s string) bool { return !httpguts.ValidHeaderFieldValue(s) }

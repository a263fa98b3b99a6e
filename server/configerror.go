package server

import (
	"fmt"

	"golang.org/x/net/http/httpguts"

	"github.com/scopegate/scopegate/server/internal/text"
)

// ConfigError says which setting of a [Config] is out of range. [New] and
// [Config.Validate] return it for all settings that can be judged by themselves;
// what files hold that a setting names is told by errors of other types.
type ConfigError struct {
	// Field is the setting's path in [Config], such as `Intake.PostTimeout`.
	Field string
	// Value is the setting's value, empty where it may be secret, as a URL may.
	Value string
	// Reason is what is said of the value, such as `is negative`.
	Reason string
}

// Error returns the field, the value and the reason.
func (e *ConfigError) Error() string {
	if e.Value == "" {
		return e.Field + " " + e.Reason
	}
	return fmt.Sprintf("%s: %s %s", e.Field, e.Value, e.Reason)
}

func refused(field string, value any, reason string) error {
	return &ConfigError{Field: field, Value: fmt.Sprint(value), Reason: reason}
}

// refusedSecret does not repeat the value.
func refusedSecret(field, reason string) error { return &ConfigError{Field: field, Reason: reason} }

const (
	isNegative    = "is negative"
	isNotPositive = "is not positive"
	hasControl    = "has a control character"
)

// outside is the reason for what is not between two numbers of bytes.
func outside(least, most int64) string {
	return "is not between " + text.Bytes(least) + " and " + text.Bytes(most)
}

// containsControl tells that s can't stand in a header (RFC 9110, section 5.5).
func containsControl(s string) bool { return !httpguts.ValidHeaderFieldValue(s) }

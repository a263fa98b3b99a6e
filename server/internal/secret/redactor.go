package secret

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"
)

// Redactor removes secrets from the texts of other programs, which may quote what they
// were sent: unchanged, or escaped for a URL or JSON. The zero value knows no secrets.
// It is safe for concurrent use.
type Redactor struct {
	forms   []string // longest first
	longest int
}

// NewRedactor returns a redactor of the secrets that are not empty.
func NewRedactor(secrets ...Secret) Redactor {
	var r Redactor
	for _, s := range secrets {
		if s.IsZero() {
			continue
		}
		for _, form := range []string{s.Reveal(), url.QueryEscape(s.Reveal()), url.PathEscape(s.Reveal()), inJSON(s.Reveal())} {
			if form != "" && !slices.Contains(r.forms, form) {
				r.forms = append(r.forms, form)
			}
		}
	}
	slices.SortStableFunc(r.forms, func(a, b string) int { return len(b) - len(a) })
	if len(r.forms) > 0 {
		r.longest = len(r.forms[0])
	}
	return r
}

func inJSON(value string) string {
	quoted, err := json.Marshal(value)
	if err != nil {
		return ""
	}
	return strings.Trim(string(quoted), `"`)
}

// LongestBytes returns the length of the longest form of a secret. Pass Redact that much
// more text than its limit, so that no secret is cut in two.
func (r Redactor) LongestBytes() int { return r.longest }

// Redact returns the first limit bytes of the text, with each secret that starts in them
// replaced.
func (r Redactor) Redact(text string, limit int) string {
	limit = min(limit, len(text))
	if len(r.forms) == 0 {
		return text[:limit]
	}
	var b strings.Builder
	for i := 0; i < limit; {
		k := slices.IndexFunc(r.forms, func(form string) bool { return strings.HasPrefix(text[i:], form) })
		if k >= 0 {
			b.WriteString(redacted)
			i += len(r.forms[k])
			continue
		}
		b.WriteByte(text[i])
		i++
	}
	return b.String()
}

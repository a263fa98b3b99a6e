package secret

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"
)

// Redactor takes secrets out of texts that others have written, who may repeat
// what they were sent: as they are, escaped for a URL, or for JSON. The zero value
// knows none. It is safe for concurrent use.
type Redactor struct {
	forms   []string // the longest first
	longest int
}

// NewRedactor returns a redactor of the secrets; those that are empty are left out.
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

// LongestBytes is the length of the longest form of a secret: of a text that is
// cut, so much more must be handed in for none to be cut in two.
func (r Redactor) LongestBytes() int { return r.longest }

// Redact returns what the first limit bytes of the text say, with a mark in place
// of each secret that begins in them.
func (r Redactor) Redact(text string, limit int) string {
	limit = min(limit, len(text))
	if len(r.forms) == 0 {
		return text[:limit]
	}
	var b strings.Builder
	for i := 0; i < limit; {
		if form := r.at(text[i:]); form > 0 {
			b.WriteString(redacted)
			i += form
			continue
		}
		b.WriteByte(text[i])
		i++
	}
	return b.String()
}

// at returns the length of the secret that the text begins with; 0: none.
func (r Redactor) at(text string) int {
	for _, form := range r.forms {
		if strings.HasPrefix(text, form) {
			return len(form)
		}
	}
	return 0
}

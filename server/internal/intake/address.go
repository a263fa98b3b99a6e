package intake

import (
	"cmp"
	"net/http"
	"net/url"
	"strings"

	"github.com/scopegate/scopegate/server/internal/batch"
)

// address is the URL and the headers of a batch's requests.
type address struct {
	url    *url.URL
	header http.Header
}

// addressOf returns the address of a caller's batches. Tags are sent in a header, to which an
// agent adds those of the process's container and its own. The backend reads them from the
// query, where an agent puts all of them.
func (c *Client) addressOf(from Caller, h *batch.Header) address {
	to := address{url: c.url, header: http.Header{}}
	set := func(key, value string) {
		if value != "" {
			to.header.Set(key, value)
		}
	}
	if user := c.url.User; user != nil {
		password, _ := user.Password()
		(&http.Request{Header: to.header}).SetBasicAuth(user.Username(), password)
	}
	own := cmp.Or(from.AdditionalTags, c.config.AdditionalTags)
	set("X-Datadog-Additional-Tags", mergeTags(own, h.Tags))
	if !c.direct() {
		set("Datadog-Container-ID", h.ContainerID)
		set("Datadog-Entity-ID", h.EntityID)
		set("Datadog-External-Env", h.ExternalEnv)
		return to
	}
	set("DD-API-KEY", c.config.APIKey.Reveal())
	set("DD-EVP-ORIGIN", c.config.Origin)
	set("DD-EVP-ORIGIN-VERSION", c.config.OriginVersion)
	query := c.url.Query()
	if tags := mergeTags(query.Get(tagsParameter), own, h.Tags, c.config.AgentTags); tags != "" {
		query.Set(tagsParameter, tags)
		tagged := *c.url
		tagged.RawQuery = query.Encode()
		to.url = &tagged
	}
	return to
}

const tagsParameter = "ddtags"

// direct reports whether the intake is the backend's, and not an agent.
func (c *Client) direct() bool { return !c.config.APIKey.IsZero() }

// mergeTags joins lists of `key:value` pairs. Where several lists have a key, the first of
// them counts.
func mergeTags(lists ...string) string {
	var merged []string
	taken := map[string]bool{}
	for _, list := range lists {
		var keys []string
		for tag := range strings.SplitSeq(list, ",") {
			tag = strings.TrimSpace(tag)
			key, _, _ := strings.Cut(tag, ":")
			if tag != "" && !taken[key] {
				merged, keys = append(merged, tag), append(keys, key)
			}
		}
		for _, key := range keys {
			taken[key] = true
		}
	}
	return strings.Join(merged, ",")
}

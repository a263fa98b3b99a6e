package devintake

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
)

// Headers describes the sender of a request, from its headers and its query.
type Headers struct {
	// Tags are from X-Datadog-Additional-Tags, followed by others from the query parameter ddtags.
	Tags []string `json:"tags,omitempty"`
	// ContainerID, EntityID and ExternalEnv are the headers Datadog-Container-ID,
	// Datadog-Entity-ID and Datadog-External-Env.
	ContainerID string `json:"container_id,omitempty"`
	EntityID    string `json:"entity_id,omitempty"`
	ExternalEnv string `json:"external_env,omitempty"`
	// EVPOrigin is the header DD-EVP-ORIGIN.
	EVPOrigin string `json:"evp_origin,omitempty"`
}

// Sender describes the sender of a batch, from headers, from the event, and from keys that the
// protocol does not define.
type Sender struct {
	Headers
	// DDSource, ParentID and EventLanguage are the event's ddsource, parentId and language. ParentID
	// is nil if there is none, or if it is null.
	DDSource      string  `json:"ddsource"`
	ParentID      *string `json:"parent_id,omitempty"`
	EventLanguage string  `json:"event_language"`
	// Additional and EventAdditional are the unknown keys of the envelope and of the event, and
	// env, version and parentId if they are null.
	Additional      map[string]json.RawMessage `json:"additional,omitempty"`
	EventAdditional map[string]json.RawMessage `json:"event_additional,omitempty"`
}

const tagsHeader = "X-Datadog-Additional-Tags"

func readHeaders(r *http.Request, found *findings) (Headers, error) {
	given := r.Header.Values(tagsHeader)
	if len(given) > 0 {
		if _, err := soleHeader(r, tagsHeader); err != nil {
			if err := found.deviate(RequestHeader, err); err != nil {
				return Headers{}, err
			}
		}
	}
	tags, err := addTags(nil, given, "header "+tagsHeader, found)
	if err == nil {
		tags, err = addTags(tags, r.URL.Query()["ddtags"], "query ddtags", found)
	}
	return Headers{
		Tags:        tags,
		ContainerID: r.Header.Get("Datadog-Container-Id"),
		EntityID:    r.Header.Get("Datadog-Entity-Id"),
		ExternalEnv: r.Header.Get("Datadog-External-Env"),
		EVPOrigin:   r.Header.Get("Dd-Evp-Origin"),
	}, err
}

// addTags appends the tags of comma-separated lists, except those already in tags.
func addTags(tags, lists []string, place string, found *findings) ([]string, error) {
	for _, list := range lists {
		if list == "" {
			continue
		}
		for tag := range strings.SplitSeq(list, ",") {
			if tag == "" {
				wrong := refuse(http.StatusBadRequest, "%s: empty tag", place)
				if err := found.deviate(RequestHeader, wrong); err != nil {
					return nil, err
				}
			}
			if !slices.Contains(tags, tag) {
				tags = append(tags, tag)
			}
		}
	}
	return tags, nil
}

// checkDirect checks the headers that the backend requires. Reasons do not quote the key.
func checkDirect(r *http.Request, found *findings) error {
	for _, name := range []string{"DD-API-KEY", "DD-EVP-ORIGIN", "DD-REQUEST-ID"} {
		value, err := soleHeader(r, name)
		if err == nil && name == "DD-REQUEST-ID" && !isUUID(value) {
			err = refuse(http.StatusBadRequest, "header %s: %q is not a UUID", name, cut(value))
		}
		if err != nil {
			err = found.deviate(RequestHeader, err)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func soleHeader(r *http.Request, name string) (string, error) {
	switch values := r.Header.Values(name); {
	case len(values) == 0 || len(values) == 1 && values[0] == "":
		return "", refuse(http.StatusBadRequest, "header %s: missing", name)
	case len(values) > 1:
		return "", refuse(http.StatusBadRequest, "header %s: occurs %d times", name, len(values))
	default:
		return values[0], nil
	}
}

// asked is what the intake knows of a request apart from its two parts. It is stored beside them.
type asked struct {
	Headers
	Deviations []Deviation `json:"deviations,omitempty"`
}

func (f *findings) record(headers Headers) asked { return asked{Headers: headers, Deviations: f.list} }

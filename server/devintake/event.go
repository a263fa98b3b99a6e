package devintake

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// event holds the fields of an event that its envelope lacks.
type event struct {
	runtimeID, ddsource, language string
	parentID                      *string
	additional                    map[string]json.RawMessage // keys that are unknown or null
}

var eventShape = &shape{others: kept, fields: []field{
	{name: "ddsource", kind: kindString, presence: expected},
	{name: "service", kind: kindString, presence: expected},
	{name: "version", kind: kindString, presence: nullable},
	{name: "language", kind: kindString, presence: expected},
	{name: "runtimeId", kind: kindString, presence: expected},
	{name: "parentId", kind: kindString, presence: nullable},
	{name: "type", kind: kindString, presence: expected},
	{name: "uploadId", kind: kindString, presence: expected},
	{name: "batchNum", kind: kindInt32, presence: expected},
	{name: "final", kind: kindBool, presence: expected},
	{name: "attachmentSize", kind: kindInt64, presence: expected},
}}

// checkEvent checks an event against its envelope and the length of the file part.
func checkEvent(text []byte, env envelope, fileBytes int64, found *findings) (event, error) {
	found.part = "event"
	defer func() { found.part = "" }()
	s := newScanner(bytes.NewReader(text), found)
	var ev event
	hasVersion := false
	_, err := s.fields(eventShape, func(f *field) (err error) {
		switch f.name {
		case "ddsource":
			if ev.ddsource, err = s.readString(); err == nil && ev.ddsource != "dd_debugger" {
				s.note(DDSource, fmt.Sprintf("is %q, not \"dd_debugger\"", cut(ev.ddsource)))
			}
		case "service":
			err = s.equal(env.service)
		case "version":
			hasVersion = true
			err = s.version(env)
		case "language":
			if ev.language, err = s.readString(); err == nil && ev.language != env.language {
				s.note(EventDiffers, fmt.Sprintf("is %q, not %q as in the envelope", cut(ev.language), cut(env.language)))
			}
		case "runtimeId":
			ev.runtimeID, err = s.readString()
		case "parentId":
			var id string
			id, err = s.readString()
			ev.parentID = &id
		case "type":
			err = s.equal("symdb")
		case "uploadId":
			err = s.equal(env.uploadID)
		case "batchNum":
			err = s.equalInt(int64(env.batchNum))
		case "final":
			err = s.equalBool(env.final)
		case "attachmentSize":
			err = s.equalInt(fileBytes)
		}
		return err
	})
	if err == nil {
		err = s.finish()
	}
	if err == nil && env.hasVersion && !hasVersion {
		s.push(step{key: "version"})
		err = s.deviate(EventDiffers, "is missing or null, but the envelope has one")
	}
	if err != nil {
		return event{}, s.locate(err)
	}
	ev.additional = s.kept
	return ev, nil
}

// version checks that the event's version is the envelope's.
func (s *scanner) version(env envelope) error {
	got, err := s.readString()
	if err != nil || env.hasVersion && got == env.version {
		return err
	}
	want := "none"
	if env.hasVersion {
		want = fmt.Sprintf("%q", cut(env.version))
	}
	return s.deviate(EventDiffers, fmt.Sprintf("is %q, want %s", cut(got), want))
}

func (s *scanner) equal(want string) error {
	got, err := s.readString()
	if err == nil && got != want {
		err = violate("is %q, want %q", cut(got), cut(want))
	}
	return err
}

func (s *scanner) equalInt(want int64) error {
	got, err := s.integer(64)
	if err == nil && got != want {
		err = violate("is %d, want %d", got, want)
	}
	return err
}

func (s *scanner) equalBool(want bool) error {
	got, err := s.boolean()
	if err == nil && got != want {
		err = violate("is %t, want %t", got, want)
	}
	return err
}

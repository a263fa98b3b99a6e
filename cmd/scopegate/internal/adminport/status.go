package adminport

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/scopegate/scopegate/server"
)

// Status returns the server's status as JSON, of any version.
func (p *Port) Status(ctx context.Context) ([]byte, error) {
	const path = "/status.json"
	code, text, err := p.get(ctx, path)
	switch {
	case err != nil:
		return nil, err
	case code != http.StatusOK:
		return nil, p.refusal(path, code)
	case versionOf(text) == 0:
		return nil, fmt.Errorf("the answer from %s is not a status: set --admin to the server's --admin-listen", p.address)
	}
	return text, nil
}

// versionOf returns the version of a status, or 0 if text is no status.
func versionOf(text []byte) int {
	var status struct {
		SchemaVersion int `json:"schema_version"`
	}
	if err := json.Unmarshal(text, &status); err != nil {
		return 0
	}
	return status.SchemaVersion
}

// Parse reads a status, if it has the version that this program knows.
func Parse(text []byte) (status server.Status, err error) {
	if version := versionOf(text); version != server.StatusSchema {
		return status, fmt.Errorf("the server's status has version %d, but this scopegate supports only version %d: "+
			"use the server's version of scopegate, or --json", version, server.StatusSchema)
	}
	if err := json.Unmarshal(text, &status); err != nil {
		return status, fmt.Errorf("read the server's status: %w; --json shows it", err)
	}
	return status, nil
}

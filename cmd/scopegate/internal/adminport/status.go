package adminport

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/scopegate/scopegate/server"
)

// Status returns the server's status, also as the JSON it is from.
func (p *Port) Status(ctx context.Context) (status server.Status, text []byte, err error) {
	const path = "/status.json"
	code, text, err := p.get(ctx, path)
	switch {
	case err != nil:
		return status, nil, err
	case code != http.StatusOK:
		return status, nil, p.refusal(path, code)
	}
	if err := json.Unmarshal(text, &status); err != nil || status.SchemaVersion == 0 {
		return status, nil, fmt.Errorf("the answer of %s is no status: give the server's --admin-listen as --admin", p.address)
	}
	return status, text, nil
}

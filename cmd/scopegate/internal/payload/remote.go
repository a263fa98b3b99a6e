package payload

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/scopegate/scopegate/cmd/scopegate/internal/settings"
	"github.com/scopegate/scopegate/server/devintake"
)

// batchTimeout limits the transfer of one batch.
const batchTimeout = 5 * time.Minute

// remote returns the scopes of an upload in a development intake.
func remote(ctx context.Context, address string) (Scopes, error) {
	address = strings.TrimRight(address, "/")
	if u, err := url.Parse(address); err != nil || u.Host == "" || !strings.Contains(u.Path, "/uploads/") {
		return nil, fmt.Errorf("%s is not the URL of an upload, such as http://127.0.0.1:8126/uploads/ID",
			settings.Redacted(address))
	}
	return func(yield func(map[string]any, error) bool) {
		var upload devintake.Upload
		err := get(ctx, address, func(body io.Reader) error { return json.NewDecoder(body).Decode(&upload) })
		for _, batch := range upload.Batches {
			if err != nil {
				break
			}
			err = get(ctx, address+"/batches/"+strconv.Itoa(batch.BatchNum), func(body io.Reader) error {
				return read(ctx, body, yield)
			})
		}
		if err != nil && !errors.Is(err, errStopped) {
			yield(nil, err)
		}
	}, nil
}

// get reads the answer to a GET request. Its errors show the URL without secrets.
func get(ctx context.Context, address string, read func(io.Reader) error) error {
	shown := settings.Redacted(address)
	ctx, cancel := context.WithTimeout(ctx, batchTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return fmt.Errorf("GET %s: not the URL of an intake", shown)
	}
	req.Close = true
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		if wrong, ok := errors.AsType[*url.Error](err); ok { // it repeats the URL
			err = wrong.Err
		}
		return fmt.Errorf("GET %s: %w", shown, err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		var refusal devintake.Refusal
		_ = json.NewDecoder(io.LimitReader(res.Body, readBytes)).Decode(&refusal)
		return fmt.Errorf("GET %s: %s: %s", shown, res.Status, refusal.Reason)
	}
	if err := read(res.Body); err != nil {
		return fmt.Errorf("GET %s: %w", shown, err)
	}
	return nil
}

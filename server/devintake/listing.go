package devintake

import (
	"encoding/json"
	"io"
	"net/http"
	"strconv"
)

// Listing is the body of the answer to GET /uploads.
type Listing struct {
	// Uploads are in order of arrival, without their batches.
	Uploads []Upload `json:"uploads"`
	// RefusalCount is the number of requests refused so far.
	RefusalCount int `json:"refusal_count"`
}

func (in *Intake) newListing() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /uploads", in.listUploads)
	mux.HandleFunc("GET /uploads/{id}", in.showUpload)
	mux.HandleFunc("GET /uploads/{id}/batches/{n}", in.sendBatch)
	mux.HandleFunc("GET /", notFound)
	return mux
}

func (in *Intake) listUploads(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, Listing{Uploads: in.Uploads(), RefusalCount: in.RefusalCount()})
}

func (in *Intake) showUpload(w http.ResponseWriter, r *http.Request) {
	upload, ok := in.Upload(r.PathValue("id"))
	if !ok {
		notFound(w, r)
		return
	}
	writeJSON(w, http.StatusOK, upload)
}

func (in *Intake) sendBatch(w http.ResponseWriter, r *http.Request) {
	num, err := strconv.Atoi(r.PathValue("n"))
	if err != nil {
		notFound(w, r)
		return
	}
	batch, ok := in.Batch(r.PathValue("id"), num)
	if !ok {
		notFound(w, r)
		return
	}
	file, err := batch.Open()
	if err != nil {
		writeJSON(w, http.StatusInternalServerError, refusalOf(&storeError{err}))
		return
	}
	defer func() { _ = file.Close() }()
	w.Header().Set("Content-Type", "application/gzip")
	w.Header().Set("Content-Length", strconv.FormatInt(batch.CompressedBytes, 10))
	_, _ = io.Copy(w, file)
}

func notFound(w http.ResponseWriter, r *http.Request) {
	writeJSON(w, http.StatusNotFound, Refusal{Status: http.StatusNotFound, Path: r.URL.Path, Reason: "nothing is stored here"})
}

// writeJSON answers. That the client is gone by then is nobody's concern.
func writeJSON(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	_ = encoder.Encode(value)
}

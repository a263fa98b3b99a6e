package devintake

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Upload is a snapshot of one stored upload. Its metadata is from the batch with the lowest number.
type Upload struct {
	UploadID  string `json:"upload_id"`
	RuntimeID string `json:"runtime_id"`
	Service   string `json:"service"`
	// Env and Version are empty if there is none.
	Env     string `json:"env,omitempty"`
	Version string `json:"version,omitempty"`
	// HasEnv and HasVersion report whether there is one, even an empty one.
	HasEnv     bool   `json:"has_env"`
	HasVersion bool   `json:"has_version"`
	Language   string `json:"language"`
	Sender
	BatchCount int `json:"batch_count"`
	// ScopeCount is the number of root scopes, including repeated ones.
	ScopeCount int `json:"scope_count"`
	// RawBytes is the size of all envelopes as JSON, CompressedBytes as gzip.
	RawBytes        int64 `json:"raw_bytes"`
	CompressedBytes int64 `json:"compressed_bytes"`
	// Complete is set if exactly one batch is final, it has the highest number, and no number
	// below it is missing.
	Complete bool `json:"complete"`
	// FinalBatchNum is the highest number of a final batch; 0 if there is none.
	FinalBatchNum int `json:"final_batch_num"`
	// RepeatCount is how many times a stored batch came again.
	RepeatCount int `json:"repeat_count"`
	// Violations describe the current state: a hole disappears when the late batch arrives.
	Violations []Violation `json:"violations"`
	// Deviations sums up those of all batches, in the order of their kinds.
	Deviations []Deviation `json:"deviations"`
	// Batches are ordered by number. [Intake.Uploads] omits them.
	Batches []Batch `json:"batches,omitempty"`
}

// ViolationKind is a broken rule about an upload as a whole.
type ViolationKind string

// The kinds of violations.
const (
	// Conflict: a stored batch came again with other bytes, and was refused.
	Conflict ViolationKind = "conflict"
	// Hole: a number is missing below one that is stored.
	Hole ViolationKind = "hole"
	// SeveralFinals: more than one batch is final.
	SeveralFinals ViolationKind = "several_finals"
	// AfterFinal: a batch has a higher number than one that is final.
	AfterFinal ViolationKind = "after_final"
	// MetadataDiffers: the batches differ in service, env, version, language, runtime ID, parent
	// ID, ddsource, the event's language or the spelling of the upload ID.
	MetadataDiffers ViolationKind = "metadata_differs"
)

// Violation is a broken rule about an upload as a whole.
type Violation struct {
	Kind ViolationKind `json:"kind"`
	// BatchNum is the first batch that is missing, conflicting, a second final one, after the
	// final one, or different.
	BatchNum int    `json:"batch_num"`
	Text     string `json:"text"`
}

// Batch is a snapshot of one stored batch.
type Batch struct {
	BatchNum int `json:"batch_num"`
	Sender
	Final      bool `json:"final"`
	ScopeCount int  `json:"scope_count"`
	// RawBytes is the envelope's size as JSON, CompressedBytes the size of the file part.
	RawBytes        int64 `json:"raw_bytes"`
	CompressedBytes int64 `json:"compressed_bytes"`
	// Plain is set if the file part is not compressed.
	Plain bool `json:"plain,omitempty"`
	// SHA256 is the hash of the file part in hexadecimal.
	SHA256 string `json:"sha256"`
	// RepeatCount is how many times it came again with the same bytes.
	RepeatCount int `json:"repeat_count"`
	// ConflictCount is how many times it came again with other bytes.
	ConflictCount int `json:"conflict_count"`
	// Deviations are in the order of their kinds.
	Deviations []Deviation `json:"deviations,omitempty"`
	// Event is the event as received. It must not be changed.
	Event json.RawMessage `json:"event"`

	body body
}

// upload is the state of one upload, guarded by Intake.mu.
type upload struct {
	batches map[int]*batch
	kinds   map[DeviationKind]bool // of its batches' deviations
}

type batch struct {
	envelope
	runtimeID string
	eventSum  sum
	fileSum   sum
	snapshot  Batch
}

func newBatch(env envelope, ev event, about asked, content *findings, file *meter, text []byte) *batch {
	fileSum := file.sum()
	deviations := sumDeviations(slices.Clone(about.Deviations), content.list)
	for i := range deviations {
		deviations[i].BatchNum = env.batchNum
	}
	return &batch{
		envelope:  env,
		runtimeID: ev.runtimeID,
		eventSum:  sha256.Sum256(text),
		fileSum:   fileSum,
		snapshot: Batch{
			BatchNum: env.batchNum,
			Sender: Sender{
				Headers: about.Headers, DDSource: ev.ddsource, ParentID: ev.parentID, EventLanguage: ev.language,
				Additional: env.additional, EventAdditional: ev.additional,
			},
			Final:           env.final,
			ScopeCount:      env.scopeCount,
			RawBytes:        env.rawBytes,
			CompressedBytes: file.size,
			Plain:           env.plain,
			SHA256:          hex.EncodeToString(fileSum[:]),
			Deviations:      deviations,
			Event:           text,
		},
	}
}

// receipt returns the receipt of a new batch, except its path and its deviations.
func (b *batch) receipt() Receipt {
	return Receipt{
		UploadID: b.uploadID, RuntimeID: b.runtimeID,
		Service: b.service, Env: b.env, Version: b.version, Language: b.language,
		BatchNum: b.batchNum, Final: b.final,
		ScopeCount: b.scopeCount, RawBytes: b.rawBytes, CompressedBytes: b.snapshot.CompressedBytes,
	}
}

// identity is what all batches of an upload have in common.
type identity struct {
	metadata
	runtimeID, parentID, ddsource, eventLanguage string
}

func (b *batch) identity() identity {
	id := identity{
		metadata: b.metadata, runtimeID: b.runtimeID,
		ddsource: b.snapshot.DDSource, eventLanguage: b.snapshot.EventLanguage,
	}
	if b.snapshot.ParentID != nil {
		id.parentID = *b.snapshot.ParentID
	}
	return id
}

// find returns a stored batch or nil. The caller must hold Intake.mu.
func (in *Intake) find(key string, batchNum int) *batch {
	if u, ok := in.uploads[key]; ok {
		return u.batches[batchNum]
	}
	return nil
}

// add adds a batch, and returns its deviations of kinds that the upload did not have. The caller must
// hold Intake.mu.
func (in *Intake) add(key string, b *batch) []Deviation {
	u, ok := in.uploads[key]
	if !ok {
		u = &upload{batches: make(map[int]*batch), kinds: make(map[DeviationKind]bool)}
		in.uploads[key] = u
		in.order = append(in.order, u)
	}
	u.batches[b.batchNum] = b
	var added []Deviation
	for _, d := range b.snapshot.Deviations {
		if !u.kinds[d.Kind] {
			u.kinds[d.Kind] = true
			added = append(added, d)
		}
	}
	return added
}

// uploadKey returns the key of an upload. The case of a UUID does not matter.
func uploadKey(uploadID string) string { return strings.ToLower(uploadID) }

func (u *upload) view(withBatches bool) Upload {
	nums := slices.Sorted(maps.Keys(u.batches))
	first := u.batches[nums[0]]
	view := Upload{
		UploadID:   first.uploadID,
		RuntimeID:  first.runtimeID,
		Service:    first.service,
		Env:        first.env,
		Version:    first.version,
		HasEnv:     first.hasEnv,
		HasVersion: first.hasVersion,
		Language:   first.language,
		Sender:     first.snapshot.Sender,
		BatchCount: len(nums),
		Deviations: []Deviation{},
	}
	for _, num := range nums {
		b := u.batches[num]
		view.ScopeCount += b.scopeCount
		view.RawBytes += b.rawBytes
		view.CompressedBytes += b.snapshot.CompressedBytes
		view.RepeatCount += b.snapshot.RepeatCount
		view.Deviations = sumDeviations(view.Deviations, b.snapshot.Deviations)
		if b.final {
			view.FinalBatchNum = num
		}
		if withBatches {
			view.Batches = append(view.Batches, b.snapshot)
		}
	}
	view.Violations = u.violations(nums)
	view.Complete = view.FinalBatchNum == len(nums) && nums[len(nums)-1] == len(nums) &&
		!slices.ContainsFunc(view.Violations, func(v Violation) bool { return v.Kind == SeveralFinals })
	return view
}

// violations depends on the stored batches only, not on the order of arrival.
func (u *upload) violations(nums []int) []Violation {
	found := []Violation{}
	add := func(kind ViolationKind, num int, format string, args ...any) {
		found = append(found, Violation{Kind: kind, BatchNum: num, Text: fmt.Sprintf(format, args...)})
	}
	first := u.batches[nums[0]]
	previous, final := 0, 0
	differs, after := false, false
	for _, num := range nums {
		b := u.batches[num]
		switch missing := num - 1 - previous; {
		case missing == 1:
			add(Hole, num-1, "batch %d is missing", num-1)
		case missing > 1:
			add(Hole, previous+1, "batches %d to %d are missing", previous+1, num-1)
		}
		previous = num
		if final > 0 && !after {
			after = true
			add(AfterFinal, num, "batch %d comes after batch %d, which is final", num, final)
		}
		if final > 0 && b.final {
			add(SeveralFinals, num, "batch %d is final, and so is batch %d", num, final)
		}
		if final == 0 && b.final {
			final = num
		}
		if !differs && b.identity() != first.identity() {
			differs = true
			add(MetadataDiffers, num, "batch %d has different metadata than batch %d", num, nums[0])
		}
		if count := b.snapshot.ConflictCount; count > 0 {
			add(Conflict, num, "batch %d came again with other bytes (%d times)", num, count)
		}
	}
	return found
}

// Uploads returns all uploads in order of arrival, without their batches.
func (in *Intake) Uploads() []Upload {
	in.mu.Lock()
	defer in.mu.Unlock()
	views := make([]Upload, 0, len(in.order))
	for _, u := range in.order {
		views = append(views, u.view(false))
	}
	return views
}

// Upload returns an upload with its batches, and whether it exists.
func (in *Intake) Upload(uploadID string) (Upload, bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	u, ok := in.uploads[uploadKey(uploadID)]
	if !ok {
		return Upload{}, false
	}
	return u.view(true), true
}

// Batch returns a batch of an upload, and whether it exists.
func (in *Intake) Batch(uploadID string, batchNum int) (Batch, bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	b := in.find(uploadKey(uploadID), batchNum)
	if b == nil {
		return Batch{}, false
	}
	return b.snapshot, true
}

package upload

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/scopegate/scopegate/server/internal/batch"
)

// long is the line of an upload that is packed when a test says so.
const long = len(quietTimes) - 1

func (u *upload) isPacked() (packed bool) {
	u.locked(func() { packed = u.packing.packed })
	return packed
}

// beginLong opens an upload in the line long. Its batch has a scope with the name.
func (s *served) beginLong(t *testing.T, name string) sending {
	t.Helper()
	opened := s.begin(t)
	u := opened.upload
	u.locked(func() { u.packing.line = long })
	opened.sendNamed(t, 2, name)
	u.awaitScope(t) // in the batch
	if u.isPacked() {
		t.Fatal("it is packed before it is due, want it left")
	}
	return opened
}

func take(context.Context, *batch.Batch) error { return nil }

// makeDue makes the first upload of the line long due, so that the packer is late.
func (p *packer) makeDue() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lines[long][0].dueAt = -time.Hour
	p.nextAt.Store(int64(-time.Hour))
}

// An upload without a new scope is packed after a while, and unpacked by the next scope. The
// time grows with each time it was packed too early.
func TestQuietUploadIsPacked(t *testing.T) {
	t.Parallel()
	var posted []*batch.Batch
	s := serve(t, func(_ context.Context, b *batch.Batch) error { posted = append(posted, b); return nil }, nil)
	name := strings.Repeat("quiet", 2000)
	stream := s.beginLong(t, name)
	u := stream.upload
	held := u.account.HeldBytes()
	s.packer.makeDue()
	s.packer.serve()
	if !u.isPacked() {
		t.Error("it is not packed")
	}
	if got := u.account.HeldBytes(); got > held-int64(len(name))/2 {
		t.Errorf("packed, it holds %d bytes of %d, want much less", got, held)
	}
	u.locked(func() { u.packing.line = 0 })
	stream.sendNamed(t, 1, name)
	await(t, "it to be unpacked", func() (moved bool) { u.locked(func() { moved = u.packing.line == 1 }); return moved })
	await(t, "it to be packed again", u.isPacked)
	summary, err := stream.CloseAndRecv()
	if err != nil || summary.GetScopeCount() != 3 || summary.GetRawBytes() < int64(3*len(name)) || len(posted) != 1 {
		t.Errorf("%v, %v, %d batches; want 3 scopes in 1", summary, err, len(posted))
	}
}

// An upload gets another turn, in the same line, if a scope has arrived meanwhile or its
// reader works.
func TestActiveUploadIsNotPacked(t *testing.T) {
	t.Parallel()
	s := serve(t, take, nil)
	stream := s.beginLong(t, "a")
	u := stream.upload
	line := func() (turns []*turn) {
		s.packer.mu.Lock()
		defer s.packer.mu.Unlock()
		return s.packer.lines[long]
	}
	for what, pack := range map[string]func(){
		"a new scope": func() {
			u.locked(func() { u.packing.scopes-- })
			s.packer.serve()
		},
		"a reader that works": func() { u.locked(s.packer.serve) },
	} {
		s.packer.makeDue()
		pack()
		if turns := line(); u.isPacked() || len(turns) != 1 || turns[0].dueAt <= 0 || turns[0].upload != u {
			t.Errorf("%s: packed is %v, %d turns, want another turn", what, u.isPacked(), len(turns))
		}
	}
	if _, err := stream.CloseAndRecv(); err != nil {
		t.Error(err)
	}
	if turns := line(); len(turns) != 1 || turns[0].upload != nil {
		t.Error("the turn keeps an upload that has ended")
	}
	s.packer.makeDue()
	s.packer.serve()
	if turns := line(); len(turns) != 0 {
		t.Errorf("%d turns are left, want none", len(turns))
	}
}

// A reader packs a batch that is late before it takes a scope, of another upload. It does not wait
// for other readers that pack.
func TestReaderHelpsToPack(t *testing.T) {
	t.Parallel()
	s := serve(t, take, nil)
	quiet, other := s.beginLong(t, "quiet"), s.begin(t)
	for _, u := range s.list() {
		if u != quiet.upload {
			other.upload = u
		}
	}
	for range cap(s.packer.helpers) {
		s.packer.helpers <- struct{}{}
	}
	s.packer.makeDue()
	other.send(t, 1)
	if quiet.upload.isPacked() {
		t.Error("the quiet upload is packed, want it left to the readers that help")
	}
	for range cap(s.packer.helpers) {
		<-s.packer.helpers
	}
	other.send(t, 1)
	if !quiet.upload.isPacked() {
		t.Error("the quiet upload is not packed")
	}
	for _, stream := range []sending{quiet, other} {
		if _, err := stream.CloseAndRecv(); err != nil {
			t.Error(err)
		}
	}
}

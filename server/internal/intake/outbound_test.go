package intake

import (
	"io"
	"net"
	"testing"

	"github.com/scopegate/scopegate/server/internal/batch"
	"github.com/scopegate/scopegate/server/internal/encode"
)

// brokenConn accepts no byte.
type brokenConn struct{ net.Conn }

func (brokenConn) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

// openConn accepts all bytes.
type openConn struct{ net.Conn }

func (openConn) Write(p []byte) (int, error) { return len(p), nil }

func testForm(t *testing.T) *form {
	t.Helper()
	pool, err := encode.NewPool(encode.DefaultSettings())
	if err != nil {
		t.Fatal(err)
	}
	member := pool.NewMember(nil)
	if _, err := io.WriteString(member, `{"scopes":[]}`); err != nil {
		t.Fatal(err)
	}
	return newForm(&batch.Batch{Header: &batch.Header{}, Num: 1, File: member.Finish().File(nil, nil)})
}

// The transport repeats a request by itself if the server can't have seen it. Then the
// first time leaves no doubt.
func TestOutboundNewBody(t *testing.T) {
	t.Parallel()
	f := testForm(t)
	var out outbound
	first := out.newBody(f)
	stale := &countedConn{Conn: brokenConn{}}
	out.connected(stale)
	if _, err := io.Copy(io.Discard, first); err != nil {
		t.Fatal(err)
	}
	if n, err := stale.Write([]byte("POST")); n != 0 || err == nil {
		t.Fatalf("wrote %d bytes, error %v, want none of either", n, err)
	}
	if out.mayBeSent() {
		t.Error("mayBeSent is true although nothing was written")
	}
	second := out.newBody(f)
	if out.isConnected() || out.mayBeSent() {
		t.Error("the first body counts after the second was made")
	}
	out.connected(&countedConn{Conn: openConn{}})
	if out.mayBeSent() {
		t.Error("mayBeSent is true before anything was sent")
	}
	if _, err := io.Copy(out.counted, second); err != nil {
		t.Fatal(err)
	}
	if !out.mayBeSent() {
		t.Error("mayBeSent is false although everything was sent")
	}
	if n, err := first.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Errorf("the first body still reads %d bytes, error %v, want an error", n, err)
	}
}

func TestOutboundHalfSent(t *testing.T) {
	t.Parallel()
	f := testForm(t)
	var out outbound
	body := out.newBody(f)
	out.connected(&countedConn{Conn: openConn{}})
	if _, err := io.CopyN(out.counted, body, f.length()-1); err != nil {
		t.Fatal(err)
	}
	if out.mayBeSent() {
		t.Error("mayBeSent is true although the last byte was not read")
	}
	if _, err := io.CopyN(out.counted, body, 1); err != nil {
		t.Fatal(err)
	}
	if !out.mayBeSent() {
		t.Error("mayBeSent is false although the last byte was read")
	}
}

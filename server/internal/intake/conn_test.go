package intake

import (
	"io"
	"net"
	"testing"

	"github.com/scopegate/scopegate/server/internal/batch"
	"github.com/scopegate/scopegate/server/internal/encode"
)

// brokenConn takes no byte.
type brokenConn struct{ net.Conn }

func (brokenConn) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

// openConn takes all.
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

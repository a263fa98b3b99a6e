package grpcwire_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"testing"

	"golang.org/x/net/http2"

	"github.com/scopegate/scopegate/server/internal/grpcwire"
)

// TestFewRequestsAtATime: however many requests come at once, few are handed on at a
// time, all are in the end, and none are once the connection is closed.
func TestFewRequestsAtATime(t *testing.T) {
	t.Parallel()
	const count, atATime = 50, 16
	sends := []byte(http2.ClientPreface)
	for i := range uint32(count) {
		sends = append(sends, headers(t, 2*i+1, true)...)
	}
	each := len(headers(t, 1, true))
	for _, closes := range []bool{false, true} {
		var p purse
		other := &script{}
		other.sends.Write(sends)
		conn := grpcwire.Observe(other, limits, &p, func(err error) { t.Error(err) })
		var got []byte
		buffer := make([]byte, 8<<10)
		var err error
		for reads := 0; err == nil; reads++ {
			var n int
			n, err = conn.Read(buffer)
			got = append(got, buffer[:n]...)
			if most := len(http2.ClientPreface) + atATime*each*(reads+1); len(got) > most {
				t.Fatalf("%d bytes are handed on by %d reads, want at most %d", len(got), reads+1, most)
			}
			if closes && reads == 0 {
				_ = conn.Close()
			}
		}
		want, wantErr := sends, io.EOF
		if closes {
			want, wantErr = sends[:len(http2.ClientPreface)+atATime*each], net.ErrClosed
		}
		if !bytes.Equal(got, want) || !errors.Is(err, wantErr) {
			t.Errorf("closed: %v: got %d bytes and %v, want %d and %v", closes, len(got), err, len(want), wantErr)
		}
		_ = conn.Close()
		p.requireSettled(t)
	}
}

// failing is a connection that can't be written to.
type failing struct{ script }

func (f *failing) Write([]byte) (int, error) { return 0, net.ErrClosed }

// TestLostConnectionIsClosed: what can't be answered is not read.
func TestLostConnectionIsClosed(t *testing.T) {
	t.Parallel()
	var p purse
	other := &failing{}
	other.sends.WriteString(http2.ClientPreface)
	conn := grpcwire.Observe(other, limits, &p, func(err error) { t.Error(err) })
	if _, err := conn.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v, want %v", err, net.ErrClosed)
	}
	if other.closed == 0 {
		t.Error("the connection is open, want it closed")
	}
	if n, err := conn.Read(make([]byte, 100)); n != 0 || err == nil {
		t.Errorf("read %d bytes and %v, want an error", n, err)
	}
}

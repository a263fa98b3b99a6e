package encode_test

import (
	"bytes"
	"testing"
)

func TestZZOverflow(t *testing.T) {
	input := mixed(1, 60_000)
	for level := 1; level <= 9; level++ {
		s := shapes(level)[1]
		want := member(t, newPool(t, s), input)
		pool := newPool(t, s)
		m := pool.NewMember()
		write(t, m, mixed(5, 40000))
		bad := 0
		for i := range 45000 {
			write(t, m, []byte{byte(i * 31)})
			m.Compress()
			if i%200 == 0 || i > 30000 && i%10==0 {
				if got := member(t, pool, input); !bytes.Equal(got, want) {
					bad++
					if bad == 1 { t.Errorf("level %d iteration %d: other bytes %d/%d", level, i, len(got), len(want)) }
					if !bytes.Equal(decoded(t, got), input) { t.Fatal("WRONG") }
				}
			}
		}
		t.Log(level, bad)
	}
}

package encode

import "testing"

// A member keeps a compressor only while JSON is appended, and then for no more
// than maxRunChunks in a row.
func TestCompressorIsGivenBack(t *testing.T) {
	t.Parallel()
	p, err := NewPool(Settings{Level: 1, ChunkBytes: MinChunkBytes, Compressors: 1})
	if err != nil {
		t.Fatal(err)
	}
	wantFree := func(after string) {
		t.Helper()
		if len(p.free) != 1 {
			t.Fatalf("the compressor is kept after %s", after)
		}
	}
	m := p.NewMember(nil)
	for range 3 {
		kept, longest := 0, 0
		tail := m.Tail()
		for range 3 * maxRunChunks {
			tail = m.Drain(tail[:cap(tail)])
			if kept++; len(p.free) == 1 {
				kept = 0
			}
			longest = max(longest, kept)
		}
		if longest != maxRunChunks-1 {
			t.Errorf("kept over %d drains, want %d", longest, maxRunChunks-1)
		}
		m.SetTail(tail)
		wantFree("SetTail")
	}
	_, _ = m.Write(make([]byte, 3*MinChunkBytes))
	wantFree("Write")
	m.Compress()
	wantFree("Compress")
	finished := m.Finish()
	wantFree("Finish")
	finished.Release()
	tail := m.Tail()
	for range 4 {
		tail = m.Drain(tail[:cap(tail)])
	}
	m.Discard()
	wantFree("Discard")
}

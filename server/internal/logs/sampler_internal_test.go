package logs

import (
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestSampler(t *testing.T) {
	t.Parallel()
	var s Sampler
	now := time.Unix(0, 0)
	var got []string
	for range 25 {
		if skipped, ok := s.Take(now); ok {
			got = append(got, strconv.Itoa(skipped))
		}
		now = now.Add(sampleInterval / 10)
	}
	if strings.Join(got, " ") != "0 9 9" {
		t.Errorf("logged with %v unlogged, want 0 9 9", got)
	}
}

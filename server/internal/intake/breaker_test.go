package intake

import (
	"strings"
	"testing"
	"time"
)

func TestBreaker(t *testing.T) {
	t.Parallel()
	const (
		threshold      = 3
		probeDelay     = 8 * time.Second // three quarters of it, as the random part is 0
		hungProbeDelay = 20 * time.Second
	)
	type step struct {
		at     int    // seconds
		events string // begin, up, down, cancelled, or 10s: throttled for that long; each of an attempt
		wait   time.Duration
		health Health
	}
	wait := func(seconds int) time.Duration { return time.Duration(seconds) * time.Second }
	opened := step{0, "begin:a begin:b begin:c begin:d down:a down:b down:c", wait(6), Down}
	for name, steps := range map[string][]step{
		"nothing happened":      {{0, "", 0, Up}},
		"below the threshold":   {{0, "begin:a begin:b down:a down:b", 0, Up}},
		"at the threshold":      {opened},
		"an answer in between":  {{0, "begin:a begin:b begin:c begin:d down:a down:b up:c down:d", 0, Up}},
		"a probe is due":        {opened, {5, "", wait(1), Down}, {6, "", 0, Down}, {60, "", 0, Down}},
		"a probe hangs":         {opened, {6, "begin:p", wait(20), Probing}, {26, "", 0, Probing}, {26, "begin:q", wait(20), Probing}},
		"a probe fails":         {opened, {6, "begin:p", wait(20), Probing}, {9, "down:p", wait(6), Down}},
		"a probe is cancelled":  {opened, {6, "begin:p cancelled:p", 0, Probing}},
		"a probe is answered":   {opened, {6, "begin:p up:p", 0, Up}},
		"and failures follow":   {opened, {6, "begin:p up:p begin:e begin:f down:e down:f", 0, Up}, {7, "begin:g down:g", wait(6), Down}},
		"an old failure":        {opened, {1, "down:d", wait(5), Down}, {6, "begin:p", wait(20), Probing}, {7, "up:p", 0, Up}},
		"an old failure, late":  {opened, {6, "begin:p down:d", wait(20), Probing}},
		"an old probe fails":    {opened, {6, "begin:p", wait(20), Probing}, {26, "begin:q down:q", wait(6), Down}, {30, "down:p", wait(2), Down}},
		"an old cancelled":      {opened, {6, "begin:p cancelled:d", wait(20), Probing}},
		"an old answer":         {opened, {1, "up:d", 0, Up}},
		"Retry-After":           {{0, "begin:a 10s:a", wait(10), Throttled}, {9, "", wait(1), Throttled}, {10, "", 0, Up}},
		"a longer Retry-After":  {{0, "begin:a begin:b 10s:a 20s:b", wait(20), Throttled}},
		"a shorter Retry-After": {{0, "begin:a begin:b 20s:a 10s:b", wait(20), Throttled}},
		"an answer within it":   {{0, "begin:a begin:b 10s:a up:b", wait(10), Throttled}, {10, "", 0, Up}},
		"open within it":        {{0, "begin:a begin:b begin:c 1s:a 2s:b 3s:c", wait(6), Throttled}, {3, "", wait(3), Down}},
		"open, it lasts longer": {{0, "begin:a begin:b begin:c 1s:a 2s:b 30s:c", wait(30), Throttled}, {30, "", 0, Down}},
		"a throttled probe":     {opened, {6, "begin:p 10s:p", wait(10), Throttled}, {16, "begin:q up:q", 0, Up}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := breaker{threshold: threshold, probeDelay: probeDelay, hungProbeDelay: hungProbeDelay, random: func() float64 { return 0 }}
			permits := map[string]permit{}
			start := time.Now()
			for _, s := range steps {
				now := start.Add(wait(s.at))
				for event := range strings.FieldsSeq(s.events) {
					kind, attempt, _ := strings.Cut(event, ":")
					p := permits[attempt]
					switch kind {
					case "begin":
						if w := b.wait(now); w > 0 {
							t.Fatalf("at %ds: %s with a wait of %v, want none", s.at, event, w)
						}
						permits[attempt] = b.admit(now)
					case "up":
						b.record(now, p, judgeStatus(200), 0)
					case "down":
						b.record(now, p, judgeStatus(500), wait(100)) // of a 500 it is that batch's own
					case "cancelled":
						b.record(now, p, verdict{}, 0)
					default:
						retryAfter, err := time.ParseDuration(kind)
						if err != nil {
							t.Fatal(err)
						}
						b.record(now, p, judgeStatus(429), retryAfter)
					}
				}
				if got, health := b.wait(now), b.health(now); got != s.wait || health != s.health {
					t.Errorf("at %ds: wait %v, %s, want %v, %s", s.at, got, health, s.wait, s.health)
				}
				if held := b.held(now); held != (s.health != Up) {
					t.Errorf("at %ds: held %v when %s, want %v", s.at, held, s.health, s.health != Up)
				}
			}
		})
	}
}

// The time between probes is a quarter more or less, so that many servers do not
// probe at the same time.
func TestProbesAreSpread(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		random float64
		want   time.Duration
	}{{0, 750 * time.Millisecond}, {0.5, time.Second}, {1, 1250 * time.Millisecond}} {
		b := breaker{threshold: 1, probeDelay: time.Second, random: func() float64 { return test.random }}
		now := time.Now()
		b.record(now, b.admit(now), judgeStatus(500), 0)
		if got := b.wait(now); got != test.want {
			t.Errorf("wait with random part %v = %v, want %v", test.random, got, test.want)
		}
	}
}

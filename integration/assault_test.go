package integration_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/scopegate/scopegate/client"
	"github.com/scopegate/scopegate/integration/internal/load"
	"github.com/scopegate/scopegate/integration/internal/rawh2"
	"github.com/scopegate/scopegate/integration/internal/testbed"
	"github.com/scopegate/scopegate/integration/wait"
)

// What a server process under attack must keep to.
const (
	assaultLimitBytes = 128 << 20
	assaultPeakBytes  = assaultLimitBytes / 4 * 5
	// assaultGrace is what the process gets to stop in.
	assaultGrace = time.Second
	// restDrawnBytes is what may be drawn more after an attack than before it: for the
	// connections that are there, and who began which upload.
	restDrawnBytes = 256 << 10
	// victimPause is what lies between two uploads of the victim, victimPatience how
	// long one may take, and victimMax how many there are at most.
	victimPause    = 50 * time.Millisecond
	victimPatience = 10 * time.Second
	victimMax      = 20_000
)

// assault is an attack on a server process with little memory, beside which a victim
// uploads one scope after the other.
type assault struct {
	// name stands in the table of the results.
	name string
	// short makes it part of the short form.
	short bool
	// serve are further arguments of the server.
	serve []string
	// fault stands in front of the intake. Nil: none.
	fault testbed.Fault
	// token is the victim's. Empty: it needs none.
	token string
	// dials has the victim dial for each upload.
	dials bool
	// attack attacks; the connections it has dialled are closed when it has returned.
	// It is called twice: the server is stopped during the second attack, when there
	// is no victim.
	attack func(t *testing.T, s *assaulted)
}

// assaulted is the server process that is attacked.
type assaulted struct {
	*testbed.Process
	intake  *testbed.Intake
	admin   string
	conns   []*rawh2.Conn
	victim  *victim // nil: it has gone
	scrapes scrapes
}

// assail makes an assault, requires that the server bears it, and prints a row of the
// table. The server is a process of its own, so that its memory can be measured; with
// SCOPEGATE_BINARY it is another version.
func assail(t *testing.T, a assault) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("skipped: the peak of a process's memory is read from /proc")
	}
	if !a.short && !long() {
		t.Skip("skipped: in the long form only (make faults)")
	}
	s := &assaulted{intake: testbed.StartIntake(t, a.fault), admin: testbed.ReserveAddress(t)}
	s.Process = testbed.StartProcess(t, s.intake.URL(), "127.0.0.1:0", append([]string{
		"--memory-limit", strconv.Itoa(assaultLimitBytes), "--admin-listen", s.admin,
		"--shutdown-grace", assaultGrace.String(), "--log-level", "error",
	}, a.serve...)...)

	v := newVictim(t, s.Address, a.token)
	v.dials = a.dials
	if err := v.upload(t.Context()); err != nil {
		t.Fatalf("before the attack: %v", err)
	}
	before := s.scrape(t)
	s.underAttack(t, v, a.attack)
	left := time.Now()
	s.awaitRest(t, before)
	back := time.Since(left)
	usage, err := load.UsageOf(s.PID())
	if err != nil {
		t.Fatal(err)
	}
	a.attack(t, s)
	told := time.Now()
	ending := s.Terminate()
	ended := time.Since(told)
	s.leave()

	const mebibyte = 1 << 20
	t.Logf("assault | %s | peak RSS %.0f MiB of %d | peak drawn %.0f MiB | %v | back after %v | ended in %v",
		a.name, float64(usage.PeakBytes)/mebibyte, assaultLimitBytes/mebibyte, s.scrapes.most()/mebibyte,
		v, back.Round(10*time.Millisecond), ended.Round(10*time.Millisecond))
	if usage.PeakBytes > assaultPeakBytes {
		t.Errorf("at most %d bytes were resident, allowed are %d", usage.PeakBytes, assaultPeakBytes)
	}
	if len(v.failures) > 0 {
		t.Errorf("%d of the victim's uploads failed, the first: %v, want none", len(v.failures), v.failures[0])
	}
	if s.scrapes.failed > 0 {
		t.Errorf("%d requests for the metrics failed, want none", s.scrapes.failed)
	}
	if allowed := assaultGrace + 5*time.Second*time.Duration(count(10, 1)); ended > allowed { // short, beside other tests
		t.Errorf("the server took %v to stop (%v), allowed are %v", ended, ending, allowed)
	}
}

// underAttack attacks while the victim uploads, and goes on to for a while.
func (s *assaulted) underAttack(t *testing.T, v *victim, attack func(*testing.T, *assaulted)) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var beside sync.WaitGroup
	defer beside.Wait()
	defer cancel()
	s.victim = v
	beside.Go(func() { v.run(ctx) })
	beside.Go(func() { s.scrapes.run(ctx, s.admin) })
	attack(t, s)
	s.leave()
	s.endure(count(10, 300))
	s.victim = nil
}

// dial returns a connection of the attacker.
func (s *assaulted) dial(t *testing.T) *rawh2.Conn {
	t.Helper()
	conn := rawh2.Dial(t, s.Address)
	s.conns = append(s.conns, conn)
	return conn
}

// endure waits until the victim has made that many more uploads, come of them what may.
func (s *assaulted) endure(uploads int) {
	if s.victim == nil {
		return
	}
	for until := s.victim.made.Load() + int64(uploads); s.victim.made.Load() < until; {
		if _, ok := <-s.victim.progress; !ok {
			return
		}
	}
}

// leave closes all connections of the attacker.
func (s *assaulted) leave() {
	for _, conn := range s.conns {
		conn.Close()
	}
	s.conns = nil
}

// awaitRest waits until the server holds no more than before.
func (s *assaulted) awaitRest(t *testing.T, before reading) {
	t.Helper()
	wait.Until(t, fmt.Sprintf("the server to rest as before: %+v", before), func() reading { return s.scrape(t) }, func(now reading) bool {
		return now.drawn <= before.drawn+restDrawnBytes && now.goroutines <= before.goroutines+restGoroutines
	})
}

func (s *assaulted) scrape(t *testing.T) reading {
	t.Helper()
	now, err := scrape(testbed.Context(t), s.admin)
	if err != nil {
		t.Fatal(err)
	}
	return now
}

// victim is a client that does no wrong. Results are to be read when it has ended.
type victim struct {
	client   *client.Client
	dial     func() (*client.Client, error)
	dials    bool // for each upload
	source   *testbed.Source
	made     atomic.Int64
	progress chan struct{}
	took     []time.Duration // by the uploads that succeeded
	failures []error
}

func newVictim(t *testing.T, address, token string) *victim {
	t.Helper()
	var options []client.Option
	if token != "" {
		options = append(options, client.WithToken(token))
	}
	dial := func() (*client.Client, error) { return client.Dial(address, options...) }
	c, err := dial()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return &victim{client: c, dial: dial, source: testbed.NewSource(11), progress: make(chan struct{}, 1)}
}

// run uploads until the context ends.
func (v *victim) run(ctx context.Context) {
	defer close(v.progress)
	pause := time.NewTicker(victimPause)
	defer pause.Stop()
	for range victimMax {
		began := time.Now()
		err := v.upload(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			v.took = append(v.took, time.Since(began))
		default:
			v.failures = append(v.failures, err)
		}
		v.made.Add(1)
		select {
		case v.progress <- struct{}{}:
		default:
		}
		select {
		case <-pause.C:
		case <-ctx.Done():
			return
		}
	}
}

// upload uploads one scope, in one try. A victim that dials may try again, as clients do: on
// a busy machine, so many connections can come before it has opened its stream that it gives way.
func (v *victim) upload(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, victimPatience)
	defer cancel()
	c := v.client
	if v.dials {
		var err error
		if c, err = v.dial(); err != nil {
			return err
		}
		defer c.Close()
		_, err = testbed.Upload(ctx, c, testbed.NewMetadata(), v.source.Functions(1))
		return err
	}
	_, err := testbed.UploadOnce(ctx, c, testbed.NewMetadata(), v.source.Functions(1))
	return err
}

func (v *victim) String() string {
	slices.Sort(v.took)
	at := func(percent int) time.Duration {
		if len(v.took) == 0 {
			return 0
		}
		return v.took[(len(v.took)-1)*percent/100].Round(10 * time.Microsecond)
	}
	return fmt.Sprintf("victim p50 %v p99 %v, %d of %d failed",
		at(50), at(99), len(v.failures), len(v.failures)+len(v.took))
}

// reading is what a server's metrics say of what it holds.
type reading struct {
	drawn, peak, goroutines float64
}

// scrape reads the metrics by a connection of its own.
func scrape(ctx context.Context, admin string) (reading, error) {
	transport := &http.Transport{DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(ctx, victimPatience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+admin+"/metrics", http.NoBody)
	if err != nil {
		return reading{}, fmt.Errorf("scrape: %w", err)
	}
	answer, err := transport.RoundTrip(request)
	if err != nil {
		return reading{}, fmt.Errorf("scrape: %w", err)
	}
	defer answer.Body.Close()
	return readMetrics(answer.Body)
}

func readMetrics(text io.Reader) (reading, error) {
	var now reading
	wanted := map[string]*float64{
		"scopegate_memory_drawn_bytes":      &now.drawn,
		"scopegate_memory_drawn_peak_bytes": &now.peak,
		"go_goroutines":                     &now.goroutines,
	}
	lines := bufio.NewScanner(text)
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), " ")
		to, ok := wanted[name]
		if !ok {
			continue
		}
		var err error
		if *to, err = strconv.ParseFloat(value, 64); err != nil {
			return reading{}, fmt.Errorf("read metrics: %w", err)
		}
		delete(wanted, name)
	}
	if err := lines.Err(); err != nil {
		return reading{}, fmt.Errorf("read metrics: %w", err)
	}
	if len(wanted) > 0 {
		return reading{}, fmt.Errorf("read metrics: missing are %v", wanted)
	}
	return now, nil
}

// scrapes are the readings of an attack.
type scrapes struct {
	last   reading
	failed int
}

// run reads the metrics again and again until the context ends. A request that fails is
// repeated: under attack the admin port closes connections to make room for new ones.
func (s *scrapes) run(ctx context.Context, admin string) {
	pause := time.NewTicker(5 * victimPause)
	defer pause.Stop()
	const tries = 5
	for {
		now, err := scrape(ctx, admin)
		for range tries - 1 {
			if err == nil || ctx.Err() != nil {
				break
			}
			now, err = scrape(ctx, admin)
		}
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			s.failed++
		default:
			s.last = now
		}
		select {
		case <-pause.C:
		case <-ctx.Done():
			return
		}
	}
}

// most returns the most that was ever drawn.
func (s *scrapes) most() float64 { return s.last.peak }

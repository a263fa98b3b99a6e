package integration_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"reflect"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/scopegate/scopegate/client"
	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
	"github.com/scopegate/scopegate/integration/internal/testbed"
)

// openEnded is the client that TestKillOpenEnded kills: this test binary, run again with
// openEndedVariable set. It uploads without an end, prints after each batch how many
// scopes are accepted, and then waits to be killed.
type openEnded struct {
	address, uploadID string
	seed              uint64
	thresholdBytes    int
	thresholdAge      time.Duration
}

const (
	openEndedVariable = "SCOPEGATE_TEST_OPEN_ENDED"
	openEndedScopes   = 40
)

func (o openEnded) String() string {
	return fmt.Sprint(o.address, " ", o.uploadID, " ", o.seed, " ", o.thresholdBytes, " ", int64(o.thresholdAge))
}

func (o openEnded) metadata() *symdbv1.UploadMetadata {
	metadata := testbed.NewMetadata()
	metadata.UploadId = o.uploadID
	return metadata
}

func (o openEnded) scopes() []*symdbv1.Scope {
	return testbed.NewSource(o.seed).Functions(openEndedScopes)
}

// uploadOpenEnded is the process's main function.
func uploadOpenEnded(text string) error {
	var o openEnded
	if _, err := fmt.Sscan(text, &o.address, &o.uploadID, &o.seed, &o.thresholdBytes, (*int64)(&o.thresholdAge)); err != nil {
		return err
	}
	ctx := context.Background()
	c, err := client.Dial(o.address)
	if err != nil {
		return err
	}
	uploader, err := c.NewUploader(ctx, testbed.Metadata(o.metadata()), client.WithOpenEnd(),
		client.WithThresholdBytes(o.thresholdBytes), client.WithThresholdAge(o.thresholdAge),
		client.WithOnProgress(func(p client.Progress) { fmt.Println(p.AcceptedScopeCount) }))
	if err != nil {
		return err
	}
	for _, scope := range o.scopes() {
		if err := uploader.Add(ctx, scope); err != nil {
			return err
		}
	}
	_, err = bufio.NewReader(os.Stdin).ReadByte() // until it is killed
	return err
}

// TestKillOpenEnded kills the client of an open-ended upload at random points. What it was
// told is accepted is at the intake, whole and in order.
//
//nolint:tparallel // one process is killed after the other
func TestKillOpenEnded(t *testing.T) {
	t.Parallel()
	first, total := seed(t), count(5, 100)
	acknowledged, arrived, byPoint := 0, 0, map[string]int{}
	for i := range total {
		random := rand.New(rand.NewPCG(first, uint64(i))) // #nosec G404 -- it shall be predictable
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			point, known, all := killOpenEnded(t, random)
			byPoint[point]++
			acknowledged, arrived = acknowledged+known, arrived+all
		})
	}
	t.Logf("kill -9 of the client: %d points (%v); of %d scopes %d were acknowledged, %d arrived",
		total, byPoint, total*openEndedScopes, acknowledged, arrived)
}

func killOpenEnded(t *testing.T, random *rand.Rand) (point string, acknowledged, arrived int) {
	t.Helper()
	points := []string{"before a batch is taken", "before its answer", "after its answer", "after its acknowledgment"}
	at, where := 1+random.IntN(10), random.IntN(len(points))
	delay := time.Duration(random.IntN(2000)) * time.Microsecond
	child := make(chan *os.Process, 1)
	kill := sync.OnceFunc(func() {
		process := <-child
		if err := process.Kill(); err != nil {
			t.Errorf("kill: %v", err)
		}
	})
	bed := testbed.New(t, testbed.Options{Fault: func(w http.ResponseWriter, r *http.Request, post testbed.Post, accept http.HandlerFunc) {
		if post.BatchNum != at || where == 3 {
			accept(w, r)
			return
		}
		if where == 0 {
			kill()
		}
		answer := httptest.NewRecorder()
		accept(answer, r)
		if where == 1 {
			kill()
		}
		w.WriteHeader(answer.Code)
		if where == 2 {
			_ = http.NewResponseController(w).Flush()
			<-time.After(delay)
			kill()
		}
	}})
	o := openEnded{
		address: bed.Server.Target(), uploadID: testbed.NewMetadata().GetUploadId(), seed: random.Uint64(),
		thresholdBytes: 1 + random.IntN(4<<10), thresholdAge: time.Duration(1 + random.IntN(int(5*time.Millisecond))),
	}
	acknowledged = runOpenEnded(t, o, child, func(batches int) {
		if where == 3 && batches == at {
			<-time.After(delay)
			kill()
		}
	}, kill)
	bed.Stop(t)
	arrived, err := verifyOpenEnded(bed.Intake, o, acknowledged)
	if err != nil {
		t.Errorf("%s: %v", points[where], err)
	}
	return points[where], acknowledged, arrived
}

// runOpenEnded runs the process until it is dead, and returns how many scopes it was told
// are accepted. acknowledged is called for each batch of which it was told; end when all
// of its scopes are accepted.
func runOpenEnded(
	t *testing.T, o openEnded, started chan<- *os.Process, acknowledged func(batches int), end func(),
) (accepted int) {
	t.Helper()
	command := exec.CommandContext(testbed.Context(t), os.Args[0])
	command.Env = append(os.Environ(), openEndedVariable+"="+o.String())
	command.Stderr = os.Stderr
	_, err := command.StdinPipe() // open for as long as the process lives
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	started <- command.Process
	lines := bufio.NewScanner(stdout)
	for batches := 1; lines.Scan(); batches++ {
		if accepted, err = strconv.Atoi(lines.Text()); err != nil {
			t.Errorf("the client printed %q, want a number", lines.Text())
		}
		acknowledged(batches)
		if accepted == openEndedScopes {
			end()
		}
	}
	if err := command.Wait(); err == nil || command.ProcessState.Exited() {
		t.Errorf("the client ended by itself: %v, want it killed", command.ProcessState)
	}
	return accepted
}

// verifyOpenEnded returns how many scopes arrived. It fails unless they are a beginning of
// what was sent, with all that was acknowledged, and no batch is final.
func verifyOpenEnded(intake *testbed.Intake, o openEnded, acknowledged int) (arrived int, err error) {
	if _, ok := intake.Store.Upload(o.uploadID); !ok && acknowledged == 0 {
		return 0, nil
	}
	batches, err := intake.Batches(o.uploadID, o.metadata())
	if err != nil {
		return 0, err
	}
	scopes := o.scopes()
	for _, batch := range batches {
		if batch.Final {
			return arrived, fmt.Errorf("batch %d is final", batch.Num)
		}
		for _, got := range batch.Scopes {
			if want := testbed.ScopeJSON(scopes[arrived]); !reflect.DeepEqual(got, want) {
				return arrived, fmt.Errorf("scope %d is %v, want %v", arrived, got, want)
			}
			arrived++
		}
	}
	if arrived < acknowledged {
		return arrived, fmt.Errorf("%d scopes arrived, %d were acknowledged", arrived, acknowledged)
	}
	return arrived, nil
}

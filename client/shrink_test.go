package client_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/scopegate/scopegate/client"
	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
)

func TestUploaderBatchTooLarge(t *testing.T) {
	t.Parallel()
	tooLarge := failure(t, codes.InvalidArgument, reason("BATCH_TOO_LARGE"))
	answer := func(_ context.Context, s sentStream) error {
		if len(s.scopes) > 2 || slices.Contains(s.names(), "huge") {
			return tooLarge
		}
		return nil
	}
	var refused []string
	observe := client.WithOnRefused(func(r client.RefusedScope) { refused = append(refused, r.ScopeType+" "+r.Name) })
	synctest.Test(t, func(t *testing.T) {
		s, u := push(t, answer, observe)
		add(t, u, "a", "b", "c", "huge", "e")
		closeWell(t, u, 4, 3)
		if want := []string{"package huge"}; !slices.Equal(refused, want) {
			t.Errorf("refused %v, want %v", refused, want)
		}
		accepted := map[int32]bool{}
		for _, stream := range s.sent() {
			if answer(t.Context(), stream) == nil {
				accepted[stream.md.GetFirstBatchNum()] = true
			}
		}
		if len(accepted) != 3 || !accepted[1] || !accepted[2] || !accepted[3] {
			t.Errorf("accepted batches %v, want 1, 2 and 3", accepted)
		}
		if last := s.sent()[len(s.sent())-1]; last.md.GetMoreFollows() {
			t.Error("the last stream is not final")
		}
	})
}

// invalid refuses scopes with a name that begins with "bad".
func invalid(t *testing.T) func(context.Context, sentStream) error {
	t.Helper()
	return func(_ context.Context, s sentStream) error {
		for i, name := range s.names() {
			if strings.HasPrefix(name, "bad") {
				field := fmt.Sprintf("scope[%d].symbols[2].name", i)
				return failure(t, codes.InvalidArgument, reason("SCOPE_INVALID"), violations(field))
			}
		}
		return nil
	}
}

func TestUploaderScopeInvalid(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		add      []string
		accepted int64
		batches  int32
		want     []string
	}{
		"in the middle": {[]string{"a", "bad1", "b", "bad2", "c"}, 3, 1, []string{"1f a bad1 b bad2 c", "1f a b bad2 c", "1f a b c"}},
		"the last":      {[]string{"a", "bad"}, 1, 1, []string{"1f a bad", "1f a"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s, u := push(t, invalid(t))
				add(t, u, test.add...)
				closeWell(t, u, test.accepted, test.batches)
				checkTranscript(t, s, test.want...)
				if stats := balanced(t, u); stats.Refused != int64(len(test.add))-test.accepted {
					t.Errorf("%+v, want Refused %v", stats, int64(len(test.add))-test.accepted)
				}
			})
		})
	}
}

// TestUploaderCarrier: the server refuses the scope held back for the final batch.
func TestUploaderCarrier(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, u := push(t, invalid(t))
		root := scope("a", scope("child"))
		root.Symbols = []*symdbv1.Symbol{{SymbolType: "field"}}
		root.EndLine = 7
		if err := u.Add(t.Context(), root); err != nil {
			t.Fatal(err)
		}
		add(t, u, "bad")
		if err := u.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		closeWell(t, u, 1, 2)
		checkTranscript(t, s, "1 a", "2f bad", "2f a")
		last := s.sent()[2].scopes[0]
		want := &symdbv1.Scope{ScopeType: "package", EndLine: 7}
		if diff := cmp.Diff(want, last, protocmp.Transform(), protocmp.FilterField(want, "name", cmp.Ignore())); diff != "" {
			t.Errorf("carrier (-want +got):\n%s", diff)
		}
	})
}

func TestUploaderAllRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, u := push(t, invalid(t))
		add(t, u, "bad1", "bad2")
		if _, err := u.Close(t.Context()); status.Code(err) != codes.InvalidArgument {
			t.Errorf("Close: %v, want %v", err, codes.InvalidArgument)
		}
	})
}

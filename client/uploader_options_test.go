package client_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/scopegate/scopegate/client"
	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
)

func TestUploaderInput(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, u := push(t, accepting, client.UploaderOptions{})
		for name, s := range map[string]*symdbv1.Scope{"nil": nil, "not UTF-8": scope("\xff")} {
			if err := u.Add(t.Context(), s); status.Code(err) != codes.InvalidArgument || errors.Is(err, client.ErrUpload) {
				t.Errorf("%s: %v", name, err)
			}
		}
		_, ok := errors.AsType[*client.ScopeTooLargeError](u.Add(t.Context(), scope(strings.Repeat("x", 2<<20))))
		if !ok {
			t.Error("a scope larger than a message was taken")
		}
		if stats := balanced(t, u); stats.Added != 0 || stats.HeldBytes != 0 {
			t.Errorf("%+v, want Added 0 and HeldBytes 0", stats)
		}
	})
}

func TestNewUploaderRefuses(t *testing.T) {
	t.Parallel()
	c := client.New(&script{answer: accepting})
	if _, err := client.NewUploader(c, nil, client.UploaderOptions{}); err == nil {
		t.Error("no metadata: no error")
	}
	for name, options := range map[string]client.UploaderOptions{
		"ThresholdBytes": {ThresholdBytes: -1},
		"ThresholdAge":   {ThresholdAge: -1},
		"AttemptTimeout": {AttemptTimeout: -1},
		"MaxHeldBytes":   {MaxHeldBytes: 2 << 20},
		"WhenFull":       {WhenFull: 7},
	} {
		if _, err := client.NewUploader(c, identified(), options); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v, want %q in it", name, err, name)
		}
	}
}

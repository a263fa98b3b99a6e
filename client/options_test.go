package client_test

import (
	"crypto/tls"
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
		_, u := push(t, accepting)
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

func TestOptionsAreRefused(t *testing.T) {
	t.Parallel()
	for name, option := range map[string]client.Option{
		"WithThresholdBytes":       client.WithThresholdBytes(0),
		"WithThresholdAge":         client.WithThresholdAge(-1),
		"WithAttemptTimeout":       client.WithAttemptTimeout(0),
		"WithMaxHeldBytes":         client.WithMaxHeldBytes(2 << 20),
		"WithMaxMessageBytes":      client.WithMaxMessageBytes(-1),
		"WithMaxAttempts":          client.WithMaxAttempts(0),
		"WithBackoff":              client.WithBackoff(2, 1),
		"WithCompression":          client.WithCompression("lzma"),
		"WithOnRetry":              client.WithOnRetry(nil),
		"WithOnProgress":           client.WithOnProgress(nil),
		"WithOnRefused":            client.WithOnRefused(nil),
		"WithLogger":               client.WithLogger(nil),
		"WithToken":                client.WithToken("secret\n"),
		"WithTokenSource":          client.WithTokenSource(nil),
		"WithTLS":                  client.WithTLS(nil),
		"WithTransportCredentials": client.WithTransportCredentials(nil),
		"WithDialOptions":          client.WithDialOptions(nil),
		"WithFirstBatchNum":        client.WithFirstBatchNum(1), // not for Dial
		"WithSingleBatch":          client.WithSingleBatch(),
		"Option":                   {},
	} {
		c, err := client.Dial("localhost:1", option)
		if err == nil {
			_, err = c.NewUploader(t.Context(), metadata())
			_ = c.Close()
		}
		if err == nil || !strings.Contains(err.Error(), name) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v, want %q in it, and no secret", name, err, name)
		}
	}
	c := newClient(t, &script{answer: accepting})
	for name, use := range map[string]func() error{
		"WithTLS: not an option of Upload": func() error {
			_, err := c.Upload(t.Context(), metadata(), sequence(scope("a")), client.WithTLS(&tls.Config{MinVersion: tls.VersionTLS13}))
			return err
		},
		"WithoutResume: not an option of NewUploader": func() error {
			_, err := c.NewUploader(t.Context(), metadata(), client.WithoutResume())
			return err
		},
		"WithMaxAttempts: not an option of OpenStream": func() error {
			_, err := c.OpenStream(t.Context(), metadata(), client.WithMaxAttempts(1))
			return err
		},
		"WithDialOptions: not an option of New": func() error {
			_, err := client.New(nil, client.WithDialOptions())
			return err
		},
	} {
		if err := use(); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("got %v, want %q in it", err, name)
		}
	}
}

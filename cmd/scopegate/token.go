package main

import (
	"fmt"
	"time"

	"github.com/scopegate/scopegate/server"
)

//nolint:lll // a struct tag can't be broken
type tokenCommand struct {
	ExpiresIn time.Duration `placeholder:"DURATION" help:"How long the token is valid, such as 2160h for 90 days. By default until it is taken out of the file."`
}

// Help is the part of the command's help between its first line and its flags.
func (tokenCommand) Help() string {
	return `It prints the token, which is shown nowhere else and never again, and on a second line what stands for it in
the file of tenants (scopegate serve --tenants-file): its hash, from which it can't be found out.

    tenants:
      - name: shop
        tokens:
          - {sha256: …}

To replace a token, add the new one's line, give the new token to all who upload, and then take the old line out.`
}

// Run prints a new token and its line.
func (c *tokenCommand) Run(s *surroundings) error {
	token, hash := server.NewToken()
	line := "- {sha256: " + hash
	if c.ExpiresIn > 0 {
		line += ", expires: " + time.Now().Add(c.ExpiresIn).UTC().Format(time.RFC3339)
	}
	_, err := fmt.Fprintf(s.stdout, "%s\n%s}\n", token.Reveal(), line)
	return err
}

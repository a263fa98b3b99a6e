package main

import (
	"fmt"
	"time"

	"github.com/scopegate/scopegate/server"
)

//nolint:lll // a struct tag can't be broken
type tokenCommand struct {
	ExpiresIn time.Duration `placeholder:"DURATION" help:"How long the token is valid, such as 2160h for 90 days. By default it is valid until it is removed from the file."`
}

// Help returns the text between the first line of the command's help and its flags.
func (tokenCommand) Help() string {
	return `It prints the token, which is never shown again, and on a second line the token's entry for the
tenants file (scopegate serve --tenants-file): its hash, which does not reveal the token.

    tenants:
      - name: shop
        tokens:
          - {sha256: …}

To replace a token, add the new one's line, give the new token to its users, and then remove the old line.`
}

// Run prints a new token and its entry.
func (c *tokenCommand) Run(s *surroundings) error {
	token, hash := server.NewToken()
	line := "- {sha256: " + hash
	if c.ExpiresIn > 0 {
		line += ", expires: " + time.Now().Add(c.ExpiresIn).UTC().Format(time.RFC3339)
	}
	_, err := fmt.Fprintf(s.stdout, "%s\n%s}\n", token.Reveal(), line)
	return err
}

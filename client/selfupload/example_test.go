package selfupload_test

import (
	"context"
	"fmt"
	"log"

	"github.com/scopegate/scopegate/client"
	"github.com/scopegate/scopegate/client/clienttest"
	"github.com/scopegate/scopegate/client/selfupload"
)

// A service uploads its own symbols once, some time after its start.
func Example() {
	server, err := clienttest.Start() // stands for a scopegate server elsewhere
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	path, err := program() // tests have no symbols of their own
	if err != nil {
		log.Fatal(err)
	}

	ctx, shutDown := context.WithCancel(context.Background())
	defer shutDown()
	upload, err := selfupload.Start(ctx, server.Addr(),
		selfupload.WithMetadata(client.Metadata{Env: new("prod")}),
		selfupload.WithMaxDelay(0), selfupload.WithExecutable(path)) // for this example only
	if err != nil {
		log.Fatal(err)
	}

	// The service runs. When it shuts down, it cancels ctx, and need not wait.
	result, err := upload.Wait()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(result.ScopeCount, "packages")
	// Output: 5 packages
}

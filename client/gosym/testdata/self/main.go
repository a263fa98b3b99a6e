// Command self prints the packages of its own main module. On Linux it removes its file
// first.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"runtime"

	"github.com/scopegate/scopegate/client/gosym"
)

func main() {
	path, err := os.Executable()
	if err != nil {
		log.Fatal(err)
	}
	if runtime.GOOS == "linux" {
		if err := os.Remove(path); err != nil {
			log.Fatal(err)
		}
	}
	b, err := gosym.OpenSelf(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	for scope, err := range b.Packages() {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(scope.GetName())
	}
}

package encode_test

import (
	"compress/gzip"
	"fmt"
	"io"

	"github.com/scopegate/scopegate/server/internal/encode"
)

func ExampleMember() {
	pool, err := encode.NewPool(encode.DefaultSettings())
	if err != nil {
		panic(err)
	}
	member := pool.NewMember(nil)
	defer member.Discard()
	_, _ = member.Write([]byte(`{"scopes":`))
	_, _ = member.Write([]byte(`[]}`))
	file := member.Finish()
	defer file.Release()

	r, err := gzip.NewReader(file.NewReader())
	if err != nil {
		panic(err)
	}
	json, err := io.ReadAll(r)
	fmt.Printf("%s %v\n", json, err)
	// Output: {"scopes":[]} <nil>
}

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
	_, _ = member.Write([]byte(`{"name":"a"},`))
	_, _ = member.Write([]byte(`{"name":"b"}`))
	body := member.Finish()
	defer body.Release()

	for _, number := range []string{"1", "2"} { // both have the same compressed bytes
		file := body.File([]byte(`{"number":`+number+`,"scopes":[`), []byte(`]}`))
		r, err := gzip.NewReader(file.NewReader())
		if err != nil {
			panic(err)
		}
		json, err := io.ReadAll(r)
		fmt.Printf("%s %v\n", json, err)
	}
	// Output:
	// {"number":1,"scopes":[{"name":"a"},{"name":"b"}]} <nil>
	// {"number":2,"scopes":[{"name":"a"},{"name":"b"}]} <nil>
}

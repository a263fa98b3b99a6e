package devintake_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/scopegate/scopegate/server/devintake"
)

func ExampleNew() {
	intake, err := devintake.New(devintake.Options{
		OnBatch: func(r devintake.Receipt) {
			fmt.Println("batch", r.BatchNum, "of", r.UploadID, "with", r.ScopeCount, "scopes")
		},
		OnRefusal: func(r devintake.Refusal) {
			fmt.Println("refused:", r.Reason)
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	server := httptest.NewServer(intake)
	defer server.Close()

	res, err := http.Post(server.URL+"/symdb/v1/input", "application/json", strings.NewReader("{}"))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer res.Body.Close()
	fmt.Println(res.Status, len(intake.Uploads()), "uploads")
	// Output:
	// refused: header Content-Type: "application/json" is not multipart/form-data
	// 400 Bad Request 0 uploads
}

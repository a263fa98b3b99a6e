package intake_test

import (
	"strings"
	"testing"

	"github.com/scopegate/scopegate/server/internal/intake"
)

func TestCheckURL(t *testing.T) {
	t.Parallel()
	const socketBytes = 107 // on Linux; elsewhere fewer
	for url, want := range map[string]string{
		"http://host":                      "",
		"https://host:65535/path?query":    "",
		"http://[::1]:1/":                  "",
		"http://host:/":                    "",
		"unix:///s:/path":                  "",
		"unix:///a%2541:/path":             "",
		"":                                 "is not http://",
		"host":                             "is not http://",
		"ftp://host/":                      "is not http://",
		"http:///path":                     "is not http://",
		"http://host:port/":                "is not http://",
		"unix:///s":                        "is not http://",
		"unix:///s:path":                   "is not http://",
		"unix://folder/s:/path":            "is not http://",
		"http://host:0/":                   "has a port that is not between 1 and 65535",
		"http://host:65536/":               "has a port that is not between 1 and 65535",
		"http://host:99999999999999999999": "has a port that is not between 1 and 65535",
		"unix:///" + strings.Repeat("s", socketBytes) + ":/path": "has a socket path longer than",
	} {
		err := intake.CheckURL(url)
		if (err == nil) != (want == "") || err != nil && !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v, want %q", url, err, want)
		}
	}
}

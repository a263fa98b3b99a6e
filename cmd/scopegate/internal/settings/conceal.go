package settings

import (
	"fmt"
	"net"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/alecthomas/kong"
	"github.com/google/uuid"

	"github.com/scopegate/scopegate/server/textfile"
)

// People put keys, tokens and passwords anywhere: instead of the path of their file, in a
// URL, as an extra argument. So errors repeat a value only if it has the form expected
// there.

// notShown replaces values of another form.
const notShown = "(not shown: it may be a secret)"

// minConcealedBytes is shorter than any key. Shorter values are not concealed, because
// they could be part of any word.
const minConcealedBytes = 6

// plain matches words and numbers, such as the names and values of settings. Keys do not
// match.
var plain = regexp.MustCompile(`^(?:-{0,2}[A-Za-z][A-Za-z_-]{0,25}|[-+]?[0-9.]{1,12}[A-Za-z]{0,3}|<<)$`)

// uuidBytes is the length of a UUID with hyphens. A key may be one without.
const uuidBytes = 36

// shownName returns a setting's name, or notShown if it can't be one.
func shownName(name string) string {
	if !plain.MatchString(name) {
		return notShown
	}
	return name
}

// ConcealArguments removes arguments that may be secrets from the text of an error.
func ConcealArguments(text string, args []string) string {
	var pairs []string
	for _, arg := range args {
		name, value, _ := strings.Cut(arg, "=")
		for _, part := range []string{arg, name, value} {
			switch {
			case plain.MatchString(part):
			case strings.Contains(part, "://"):
				pairs = append(pairs, part, Redacted(part))
			case textfile.Name(part) != part:
				pairs = append(pairs, part, notShown)
			}
		}
	}
	return conceal(text, pairs)
}

// ConcealSettings removes the secret parts of a command's settings and arguments from
// the text of an error.
func ConcealSettings(text string, line *kong.Context) string {
	var pairs []string
	for _, flag := range line.Flags() {
		for _, item := range texts(flag.Target) {
			pairs = append(pairs, item, shownAs(flag.PlaceHolder, item))
		}
	}
	for _, argument := range line.Selected().Positional {
		given := fmt.Sprint(argument.Target.Interface())
		switch {
		case plain.MatchString(given), len(given) == uuidBytes && uuid.Validate(given) == nil: // a name, or an upload's ID
		case strings.Contains(given, "://"):
			pairs = append(pairs, given, shownURL(given))
		default:
			pairs = append(pairs, given, shownAs(placeOfPath, given))
		}
	}
	return conceal(text, pairs)
}

// conceal replaces the first of each pair by the second. The first may be quoted, as by
// %q, or in lower case, as in kong's errors about booleans.
func conceal(text string, pairs []string) string {
	var all [][2]string
	for pair := range slices.Chunk(pairs, 2) {
		value, shown := pair[0], pair[1]
		if len(value) < minConcealedBytes || value == shown {
			continue
		}
		for _, form := range []string{value, strings.Trim(strconv.Quote(value), `"`), strings.ToLower(value)} {
			all = append(all, [2]string{form, shown})
		}
	}
	slices.SortStableFunc(all, func(a, b [2]string) int { return len(b[0]) - len(a[0]) })
	for _, pair := range all {
		text = strings.ReplaceAll(text, pair[0], pair[1])
	}
	return text
}

// Placeholders of flags, which name the kinds of their values.
const (
	placeOfPath    = "PATH"
	placeOfURL     = "URL"
	placeOfAddress = "ADDRESS"
)

// shownAs returns a value without secrets. kind is the placeholder of its flag.
func shownAs(kind, value string) string {
	switch {
	case len(value) < minConcealedBytes:
	case kind == placeOfURL:
		value = shownURL(value)
	case kind == placeOfAddress:
		value = shownAddress(value)
	case kind == placeOfPath && !strings.Contains(value, pemBegin):
		value = textfile.Name(value)
	}
	return withoutSecrets(value)
}

// shownURL returns a URL without secrets, and the path of a file if one follows it.
func shownURL(value string) string {
	address, file, _ := strings.Cut(strings.TrimSpace(value), " ")
	shown := Redacted(address)
	if file = strings.TrimSpace(file); file != "" {
		shown += " " + shownAs(placeOfPath, file)
	}
	return shown
}

func shownAddress(value string) string {
	bare := strings.Trim(value, "\"'` ")
	switch {
	case strings.Contains(bare, "://") && !strings.HasPrefix(bare, UnixScheme):
		return Redacted(bare)
	case strings.HasPrefix(bare, UnixScheme), plain.MatchString(bare), net.ParseIP(bare) != nil:
		return value
	case strings.HasPrefix(bare, "/"):
		return textfile.Name(value)
	case IsHostName(bare) && strings.Contains(bare, "."): // no key has a dot, except a JWT, which is longer
		if len(bare) <= maxHostNameBytes {
			return value
		}
		return notShown
	}
	if _, _, err := net.SplitHostPort(value); err != nil {
		return notShown
	}
	return value
}

// maxHostNameBytes is longer than most names of hosts, and shorter than a JSON web token.
const maxHostNameBytes = 80

// pemBegin begins the text of a key or certificate.
const pemBegin = "-----BEGIN"

// withoutSecrets returns s with its URLs redacted and without control characters.
func withoutSecrets(s string) string {
	if strings.Contains(s, pemBegin) {
		return "(not shown: text of a PEM file)" // given instead of the file's path
	}
	if strings.ContainsAny(s, "\r\n") {
		return "(not shown: several lines)" // they may be part of a PEM file
	}
	words := strings.Split(s, " ")
	for i, word := range words {
		if strings.Contains(word, "://") {
			words[i] = Redacted(word)
		}
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '?'
		}
		return r
	}, strings.Join(words, " "))
}

// notURL stands for a text that is not a URL, and may be a secret.
const notURL = "(not a URL)"

// Redacted returns a URL without user, password, query and fragment, which may be
// secret. It shows nothing of a text that is not the URL of a host or a unix socket.
func Redacted(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || u.Opaque != "" || u.Host == "" && (u.Scheme != "unix" || !path.IsAbs(u.Path)) ||
		u.User == nil && strings.Contains(raw, "@") { // a password with a slash in it ends the host
		return notURL
	}
	shown := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}
	if u.User != nil {
		shown.User = url.User("redacted")
	}
	if u.RawQuery != "" {
		shown.RawQuery = "redacted"
	}
	return shown.String()
}

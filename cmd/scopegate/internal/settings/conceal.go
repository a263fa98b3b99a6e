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

	"github.com/scopegate/scopegate/server/textfile"
)

// A key, token or password may be given anywhere: in place of its file's path, of a
// URL, of a number, as a further argument. So errors repeat what was given only where
// it is of the form that its place asks for.

// notShown stands for what has not that form.
const notShown = "(not shown, as it may be a secret)"

// minConcealedBytes is below the length of any key. What is shorter stays, as it could
// be a part of any word.
const minConcealedBytes = 6

// plain matches words and numbers, as names of commands and settings and their values
// are, and keys are not.
var plain = regexp.MustCompile(`^(?:-{0,2}[A-Za-z][A-Za-z_-]{0,25}|[-+]?[0-9.]{1,12}[A-Za-z]{0,3}|<<)$`)

// shownName is the name of a setting as an error shows it, or what is in its place.
func shownName(name string) string {
	if !plain.MatchString(name) {
		return notShown
	}
	return name
}

// ConcealArguments takes out of the text of an error about a command line what may be
// a secret in that.
func ConcealArguments(text string, args []string) string {
	var pairs []string
	for _, arg := range args {
		name, value, _ := strings.Cut(arg, "=")
		for _, part := range []string{arg, name, value} {
			if !plain.MatchString(part) && textfile.Name(part) != part {
				pairs = append(pairs, part, notShown)
			}
		}
	}
	return conceal(text, pairs)
}

// ConcealSettings takes out of the text of an error what is not shown of the settings
// and arguments of a command.
func ConcealSettings(text string, line *kong.Context) string {
	var pairs []string
	for _, flag := range line.Flags() {
		for _, item := range texts(flag.Target) {
			pairs = append(pairs, item, shownAs(flag.PlaceHolder, item))
		}
	}
	for _, argument := range line.Selected().Positional {
		if given := fmt.Sprint(argument.Target.Interface()); !plain.MatchString(given) { // a mistyped name may be shown
			pairs = append(pairs, given, shownAs(placeOfPath, given))
		}
	}
	return conceal(text, pairs)
}

// conceal replaces the first of each pair by the second, where it stands as it is, as %q
// prints it, or in lower case, as kong says what is no boolean.
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

// What placeholders of flags say of their values.
const (
	placeOfPath    = "PATH"
	placeOfURL     = "URL"
	placeOfAddress = "ADDRESS"
)

// shownAs is a value as people may see it, by the placeholder of its flag.
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

// shownURL is a URL, with or without the path of a file behind it.
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
	case strings.HasPrefix(bare, UnixScheme), plain.MatchString(bare), net.ParseIP(bare) != nil:
		return value
	case strings.HasPrefix(bare, "/"):
		return textfile.Name(value)
	case IsHostName(bare) && strings.Contains(bare, "."): // no key has a dot, except a JWT, which is longer than a name
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

// pemBegin is what the text of a key or certificate begins with.
const pemBegin = "-----BEGIN"

// withoutSecrets is s, its URLs redacted, and without characters that would break
// the line or control the terminal.
func withoutSecrets(s string) string {
	if strings.Contains(s, pemBegin) {
		return "(not shown: text of a PEM file)" // it was to be the file's path
	}
	if strings.ContainsAny(s, "\r\n") {
		return "(not shown: several lines)" // it may be what that text has in it
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

// Redacted is a URL without what may be secret in it: user, password, query and
// fragment. Of what is no URL of a host or a unix socket nothing is shown.
func Redacted(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || u.Opaque != "" || u.Host == "" && (u.Scheme != "unix" || !path.IsAbs(u.Path)) ||
		u.User == nil && strings.Contains(raw, "@") { // a password with a slash in it ends the host
		return "(not a URL)"
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

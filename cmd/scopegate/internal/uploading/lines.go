package uploading

import (
	"regexp"
	"sort"
	"strconv"
	"sync"

	"google.golang.org/protobuf/proto"

	"github.com/scopegate/scopegate/client"
	symdbv1 "github.com/scopegate/scopegate/gen/symdb/v1"
)

// Lines maps scopes read from NDJSON to their lines. It is safe for concurrent use. A nil
// Lines is empty.
type Lines struct {
	mu sync.Mutex
	// runs are scopes on consecutive lines, in order. Scopes after the first count have none
	// once isFull is set.
	runs   []run
	count  int
	isFull bool
	// split is the first scope that the client splits into several messages, or -1.
	split int
}

// run is a scope, counted from 0, at which a run begins, and its line.
type run struct{ scope, line int }

// maxRuns bounds the memory of runs. Blank lines and envelopes begin a run.
const maxRuns = 4096

func newLines() *Lines { return &Lines{split: -1} }

// add adds the last scope read.
func (l *Lines) add(scope *symdbv1.Scope, line int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.isFull {
		return
	}
	if i := len(l.runs) - 1; i < 0 || l.runs[i].line+l.count-l.runs[i].scope != line {
		if len(l.runs) == maxRuns {
			l.isFull = true
			return
		}
		l.runs = append(l.runs, run{l.count, line})
	}
	const envelopeBytes = 16 // at most, of a message around a scope
	if l.split < 0 && proto.Size(scope) > client.DefaultMaxMessageBytes-envelopeBytes {
		l.split = l.count
	}
	l.count++
}

// ofScope returns the line of a scope, counted from 0, or 0 if it is unknown.
func (l *Lines) ofScope(scope int) int {
	if l == nil {
		return 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lockedOf(scope)
}

// lockedOf is ofScope for a caller that holds mu.
func (l *Lines) lockedOf(scope int) int {
	if scope >= l.count {
		return 0
	}
	found := l.runs[sort.Search(len(l.runs), func(i int) bool { return l.runs[i].scope > scope })-1]
	return found.line + scope - found.scope
}

// ofMessage is ofScope for a message. A split scope takes several.
func (l *Lines) ofMessage(message int) int {
	if l == nil {
		return 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.split >= 0 && message > l.split {
		return 0
	}
	return l.lockedOf(message)
}

var (
	// scopeInText is a scope in an error of the client, messageInText one in an error of the
	// server.
	scopeInText   = regexp.MustCompile(`\bsend scope (\d+)`)
	messageInText = regexp.MustCompile(`\bscope\[(\d+)\](?:\.|: |$)`)
)

// named returns the text of an error with lines instead of scopes.
func (l *Lines) named(text string) string {
	text = replaceNumber(scopeInText, text, l.ofScope, func(line string) string { return "send the scope of line " + line })
	return replaceNumber(messageInText, text, l.ofMessage, func(line string) string { return "line " + line + ": " })
}

func replaceNumber(form *regexp.Regexp, text string, line func(int) int, shown func(line string) string) string {
	return form.ReplaceAllStringFunc(text, func(found string) string {
		n, err := strconv.Atoi(form.FindStringSubmatch(found)[1])
		if err != nil || line(n) == 0 {
			return found
		}
		return shown(strconv.Itoa(line(n)))
	})
}

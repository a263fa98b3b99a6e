package tenant

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path/filepath"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/scopegate/scopegate/server/internal/secret"
)

// Limits of a file.
const (
	maxFileBytes = 8 << 20
	maxTenants   = 1000
	maxTokens    = 10_000
	maxServices  = 10_000
	maxNameBytes = 64
)

// MaxConnections limits Intake.Connections.
const MaxConnections = 10_000

// Read reads a tenants file, in YAML or JSON, and the files that it names; see
// docs/tenants.md. Unknown keys are errors. It returns the paths of all files that the
// result depends on, also when it fails. Errors quote only the names of keys and tenants.
func Read(path string) (*Table, []string, error) {
	table, files, err := read(path)
	paths := make([]string, len(files))
	for i, file := range files {
		paths[i] = file.path
	}
	return table, paths, err
}

func read(path string) (*Table, []source, error) {
	r := reader{
		document: document{anchors: map[string]ast.Node{}},
		table:    &Table{tokens: map[Hash]known{}, names: map[string]*Tenant{}},
		named:    map[string]bool{},
		folder:   filepath.Dir(path),
		keys:     map[string]secret.Secret{},
	}
	content, err := r.read(path, maxFileBytes)
	if err != nil {
		return nil, r.files, err
	}
	root, err := parse(content)
	if err == nil && root != nil {
		err = at("", root, r.file(root))
	}
	if err == nil && len(r.table.tenants) == 0 {
		err = errors.New("no tenants")
	}
	if err != nil {
		return nil, r.files, fmt.Errorf("%s: %w", path, err)
	}
	return r.table, r.files, nil
}

// reader builds a table from a file.
type reader struct {
	document

	table        *Table
	named        map[string]bool
	serviceCount int
	folder       string // of relative paths
	files        []source
	keys         map[string]secret.Secret // by the paths of their files
}

func (r *reader) file(root ast.Node) error {
	return r.mapping(root, func(key string, value ast.Node) error {
		if key != "tenants" {
			return errUnknownKey
		}
		return r.list(value, r.tenant)
	})
}

func (r *reader) tenant(node ast.Node) error {
	owner := &Tenant{}
	credentials := len(r.table.tokens) + len(r.table.names)
	err := r.mapping(node, func(key string, value ast.Node) (err error) {
		switch key {
		case "name":
			owner.Name, err = r.name(value)
		case "tokens":
			err = r.list(value, func(item ast.Node) error { return r.token(owner, item) })
		case "certificates":
			err = r.list(value, func(item ast.Node) error { return r.certificate(owner, item) })
		case "services":
			err = r.services(owner, value)
		case "max_uploads":
			var n int64
			n, err = r.number(value, math.MaxInt32)
			owner.Uploads = int(n)
		case "max_bytes":
			owner.Bytes, err = r.number(value, math.MaxInt64)
			if errors.Is(err, errNotNumber) {
				err = errNotBytes
			}
		case "intake":
			owner.Intake, err = r.intake(value)
		case "additional_tags":
			owner.AdditionalTags, err = r.tags(value)
		default:
			err = errUnknownKey
		}
		return err
	})
	switch {
	case err != nil:
		return err
	case owner.Name == "":
		return errors.New("missing name")
	case len(r.table.tokens)+len(r.table.names) == credentials:
		return fmt.Errorf("tenant %s has neither tokens nor certificates", owner.Name)
	case len(r.table.tenants) == maxTenants:
		return fmt.Errorf("more than %d tenants", maxTenants)
	}
	r.table.tenants = append(r.table.tenants, owner)
	return nil
}

func (r *reader) name(node ast.Node) (string, error) {
	name, err := r.text(node)
	switch {
	case err != nil:
		return "", err
	case !isName(name):
		return "", fmt.Errorf("not 1 to %d letters, digits, '.', '_' or '-'", maxNameBytes)
	case r.named[name]:
		return "", errDuplicate
	}
	r.named[name] = true
	return name, nil
}

// isName reports whether a tenant may have the name. Names appear in logs and statuses.
func isName(name string) bool {
	plain := func(r rune) bool {
		return r == '-' || r == '.' || r == '_' || '0' <= r && r <= '9' || 'a' <= r|0x20 && r|0x20 <= 'z'
	}
	return name != "" && len(name) <= maxNameBytes && !strings.ContainsFunc(name, func(r rune) bool { return !plain(r) })
}

func (r *reader) token(owner *Tenant, node ast.Node) error {
	var hash *Hash
	token := known{tenant: owner}
	err := r.mapping(node, func(key string, value ast.Node) error {
		var err error
		switch key {
		case "sha256":
			hash, err = r.hash(value)
		case "expires":
			token.expires, err = r.time(value)
		default:
			err = errUnknownKey
		}
		return err
	})
	switch {
	case err != nil:
		return err
	case hash == nil:
		return errors.New("missing sha256")
	case len(r.table.tokens) == maxTokens:
		return fmt.Errorf("more than %d tokens in the file", maxTokens)
	}
	r.table.tokens[*hash] = token
	return nil
}

func (r *reader) hash(node ast.Node) (*Hash, error) {
	text, err := r.text(node)
	if err != nil {
		return nil, err
	}
	hash, err := parseHash(text)
	if err != nil {
		return nil, err
	}
	if _, found := r.table.tokens[hash]; found {
		return nil, errDuplicate
	}
	return &hash, nil
}

func (r *reader) certificate(owner *Tenant, node ast.Node) error {
	name, err := r.text(node)
	switch {
	case err != nil:
		return err
	case name == "":
		return errors.New("empty")
	case r.table.names[name] != nil:
		return errDuplicate
	}
	r.table.names[name] = owner
	return nil
}

func (r *reader) services(owner *Tenant, node ast.Node) error {
	owner.Services = &Services{}
	err := r.list(node, func(item ast.Node) error {
		pattern, err := r.text(item)
		if err != nil {
			return err
		}
		if r.serviceCount++; r.serviceCount > maxServices {
			return fmt.Errorf("more than %d services in the file", maxServices)
		}
		return owner.Services.add(pattern)
	})
	if err == nil && owner.Services.empty() {
		err = errors.New("empty list; omit the key to allow any service")
	}
	return err
}

func (r *reader) intake(node ast.Node) (*Intake, error) {
	own := &Intake{}
	err := r.mapping(node, func(key string, value ast.Node) (err error) {
		switch key {
		case "url":
			own.URL, err = r.text(value)
		case "api_key_file":
			own.APIKey, err = r.key(value)
		case "connections":
			var n int64
			n, err = r.number(value, MaxConnections)
			own.Connections = int(n)
		default:
			err = errUnknownKey
		}
		return err
	})
	if err == nil && own.URL == "" {
		err = errors.New("missing url")
	}
	return own, err
}

func (r *reader) tags(node ast.Node) (string, error) {
	tags, err := r.text(node)
	if err == nil && strings.ContainsFunc(tags, func(c rune) bool { return c < ' ' || c == 0x7f }) {
		err = errors.New("contains a control character")
	}
	return tags, err
}

// key reads the key file that a node names.
func (r *reader) key(node ast.Node) (secret.Secret, error) {
	given, err := r.text(node)
	if err != nil {
		return secret.Secret{}, err
	}
	path := given
	if !filepath.IsAbs(path) {
		path = filepath.Join(r.folder, path)
	}
	if key, ok := r.keys[path]; ok {
		return key, nil
	}
	content, err := r.read(path, secret.MaxBytes)
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok && filepath.Dir(given) == "." {
		return secret.Secret{}, pathErr.Err // the name may be the key itself
	} else if err != nil {
		return secret.Secret{}, err
	}
	key, err := secret.Parse(string(content))
	if err != nil {
		return secret.Secret{}, fmt.Errorf("%s: %w", path, err)
	}
	r.keys[path] = key
	return key, nil
}

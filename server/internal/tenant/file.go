package tenant

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/scopegate/scopegate/server/internal/secret"
)

// What a file may hold. A token costs a comparison each time that a stream begins.
const (
	maxFileBytes = 8 << 20
	maxTenants   = 1000
	maxTokens    = 10_000
	maxNameBytes = 64
	maxKeyBytes  = 4 << 10
)

// The file, as docs/tenants.md describes it.
type fileForm struct {
	Tenants []tenantForm `yaml:"tenants"`
}

type tenantForm struct {
	Name           string      `yaml:"name"`
	Tokens         []tokenForm `yaml:"tokens"`
	Certificates   []string    `yaml:"certificates"`
	MaxUploads     int         `yaml:"max_uploads"`
	MaxBytes       int64       `yaml:"max_bytes"`
	Intake         *intakeForm `yaml:"intake"`
	AdditionalTags string      `yaml:"additional_tags"`
}

type tokenForm struct {
	SHA256  string    `yaml:"sha256"`
	Expires time.Time `yaml:"expires"`
}

type intakeForm struct {
	URL         string `yaml:"url"`
	APIKeyFile  string `yaml:"api_key_file"`
	Connections int    `yaml:"connections"`
}

// Read reads the file, which is YAML or, as that is YAML too, JSON, and the files
// that it names. A key that is not known is an error. It returns the paths of all
// files that the outcome depends on, also when it fails. Errors repeat nothing of
// the files but the names of keys and of tenants.
func Read(path string) (*Table, []string, error) {
	paths := []string{path}
	content, err := readFile(path, maxFileBytes)
	if err != nil {
		return nil, paths, fmt.Errorf("read tenants: %w", err)
	}
	var form fileForm
	if err := yaml.UnmarshalWithOptions(content, &form, yaml.Strict()); err != nil {
		return nil, paths, fmt.Errorf("read tenants: %s: %s", path, explain(err))
	}
	table, err := form.table(func(keyPath string) (secret.Secret, error) {
		if !filepath.IsAbs(keyPath) {
			keyPath = filepath.Join(filepath.Dir(path), keyPath)
		}
		paths = append(paths, keyPath)
		return readKey(keyPath)
	})
	if err != nil {
		return nil, paths, fmt.Errorf("read tenants: %s: %w", path, err)
	}
	return table, paths, nil
}

// explain says what is wrong with a file without the lines that it is in, which a
// YAML error shows: an operator may have put there what belongs in another file.
func explain(err error) string {
	at, ok := errors.AsType[yaml.Error](err)
	if !ok {
		return "malformed"
	}
	text := "malformed"
	if _, ok := errors.AsType[*yaml.UnknownFieldError](err); ok {
		text = at.GetMessage()
	} else if _, ok := errors.AsType[*yaml.TypeError](err); ok {
		text = "a value of the wrong type"
	}
	if token := at.GetToken(); token != nil && token.Position != nil {
		text = fmt.Sprintf("line %d, column %d: %s", token.Position.Line, token.Position.Column, text)
	}
	return text
}

// readFile reads a file that must not be longer than limit.
func readFile(path string, limit int64) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, limit+1))
	switch {
	case err != nil:
		return nil, err
	case int64(len(content)) > limit:
		return nil, fmt.Errorf("%s has more than %d bytes", path, limit)
	}
	return content, nil
}

func readKey(path string) (secret.Secret, error) {
	content, err := readFile(path, maxKeyBytes)
	if err != nil {
		return secret.Secret{}, err
	}
	key := strings.TrimSpace(string(content))
	if key == "" || strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return secret.Secret{}, fmt.Errorf("%s holds no key, or more than one", path)
	}
	return secret.New(key), nil
}

// table checks what the file says.
func (f fileForm) table(readKey func(path string) (secret.Secret, error)) (*Table, error) {
	switch {
	case len(f.Tenants) == 0:
		return nil, errors.New("there is no tenant in it")
	case len(f.Tenants) > maxTenants:
		return nil, fmt.Errorf("%d tenants, more than %d", len(f.Tenants), maxTenants)
	}
	t := &Table{byHash: make(map[Hash]int), names: make(map[string]*Tenant)}
	named := make(map[string]bool, len(f.Tenants))
	for i, form := range f.Tenants {
		if !isName(form.Name) {
			return nil, fmt.Errorf("tenants[%d].name is not 1 to %d letters, digits, '.', '_' or '-'", i, maxNameBytes)
		}
		if named[form.Name] {
			return nil, fmt.Errorf("tenant %s is there twice", form.Name)
		}
		named[form.Name] = true
		if err := t.add(form, readKey); err != nil {
			return nil, fmt.Errorf("tenant %s: %w", form.Name, err)
		}
	}
	return t, nil
}

func (t *Table) add(form tenantForm, readKey func(path string) (secret.Secret, error)) error {
	switch {
	case len(form.Tokens) == 0 && len(form.Certificates) == 0:
		return errors.New("neither tokens nor certificates")
	case form.MaxUploads < 0:
		return fmt.Errorf("max_uploads %d is negative", form.MaxUploads)
	case form.MaxBytes < 0:
		return fmt.Errorf("max_bytes %d is negative", form.MaxBytes)
	case strings.ContainsFunc(form.AdditionalTags, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return errors.New("additional_tags has a control character")
	}
	owner := &Tenant{
		Name: form.Name, Uploads: form.MaxUploads, Bytes: form.MaxBytes, AdditionalTags: form.AdditionalTags,
	}
	if err := t.addCredentials(owner, form); err != nil {
		return err
	}
	if form.Intake != nil {
		own, err := form.Intake.intake(readKey)
		if err != nil {
			return fmt.Errorf("intake: %w", err)
		}
		owner.Intake = own
	}
	t.tenants = append(t.tenants, owner)
	return nil
}

func (t *Table) addCredentials(owner *Tenant, form tenantForm) error {
	for i, token := range form.Tokens {
		hash, err := parseHash(token.SHA256)
		_, there := t.byHash[hash]
		switch {
		case err != nil:
			return fmt.Errorf("tokens[%d].sha256: %w", i, err)
		case there:
			return fmt.Errorf("tokens[%d] is there twice", i)
		case len(t.tokens) == maxTokens:
			return fmt.Errorf("tokens[%d]: more than %d tokens in all", i, maxTokens)
		}
		t.byHash[hash] = len(t.tokens)
		t.tokens = append(t.tokens, known{hash: hash, expires: token.Expires, tenant: owner})
	}
	for i, name := range form.Certificates {
		switch {
		case name == "":
			return fmt.Errorf("certificates[%d] is empty", i)
		case t.names[name] != nil:
			return fmt.Errorf("certificates[%d] is there twice", i)
		}
		t.names[name] = owner
	}
	return nil
}

func (f *intakeForm) intake(readKey func(path string) (secret.Secret, error)) (*Intake, error) {
	switch {
	case f.URL == "":
		return nil, errors.New("no url")
	case f.Connections < 0:
		return nil, fmt.Errorf("connections %d is negative", f.Connections)
	}
	own := &Intake{URL: f.URL, Connections: f.Connections}
	if f.APIKeyFile != "" {
		key, err := readKey(f.APIKeyFile)
		if err != nil {
			return nil, fmt.Errorf("api_key_file: %w", err)
		}
		own.APIKey = key
	}
	return own, nil
}

// isName tells whether a tenant may have the name. It stands in logs and statuses.
func isName(name string) bool {
	plain := func(r rune) bool {
		return r == '-' || r == '.' || r == '_' || '0' <= r && r <= '9' || 'a' <= r|0x20 && r|0x20 <= 'z'
	}
	return name != "" && len(name) <= maxNameBytes && !strings.ContainsFunc(name, func(r rune) bool { return !plain(r) })
}

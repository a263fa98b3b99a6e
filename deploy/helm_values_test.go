package deploy_test

import (
	"encoding/json"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// allOn has a value for everything that another value depends on.
const allOn = withMonitoring + "intake: {apiKeySecret: key}\ntenants: {secret: tenants}\n"

// otherValues has, for each value in values.yaml, another one that the schema allows.
var otherValues = map[string]string{
	"image.repository":                   "image: {repository: registry.example/scopegate}",
	"image.tag":                          "image: {tag: v9}",
	"image.digest":                       "image: {digest: sha256:" + strings.Repeat("a", 64) + "}",
	"image.pullPolicy":                   "image: {pullPolicy: Always}",
	"imagePullSecrets":                   "imagePullSecrets: [{name: registry}]",
	"fullnameOverride":                   "fullnameOverride: symbols",
	"intake.url":                         "intake: {url: \"http://intake/\"}",
	"intake.apiKeySecret":                "intake: {apiKeySecret: other}",
	"intake.apiKeySecretKey":             "intake: {apiKeySecretKey: other}",
	"intake.site":                        "intake: {site: datadoghq.eu}",
	"tls.enabled":                        "tls: {enabled: false}",
	"tls.secret":                         "tls: {secret: other}",
	"tls.clientCertificates":             "tls: {clientCertificates: true}",
	"tenants.secret":                     "tenants: {secret: other}",
	"tenants.secretKey":                  "tenants: {secretKey: other.yaml}",
	"settings.max-connection-age":        "settings: {max-connection-age: 5m}",
	"settings.log-format":                "settings: {log-format: text}",
	"shutdownGraceSeconds":               "shutdownGraceSeconds: 30",
	"spool.enabled":                      "spool: {enabled: false}",
	"spool.size":                         "spool: {size: 2Gi}",
	"resources.cpu.request":              "resources: {cpu: {request: 500m}}",
	"resources.cpu.limit":                "resources: {cpu: {limit: \"\"}}",
	"resources.memory":                   "resources: {memory: 2Gi}",
	"replicas":                           "replicas: 3",
	"autoscaling.enabled":                "autoscaling: {enabled: false}",
	"autoscaling.minReplicas":            "autoscaling: {minReplicas: 3}",
	"autoscaling.maxReplicas":            "autoscaling: {maxReplicas: 30}",
	"autoscaling.targetCPUUtilization":   "autoscaling: {targetCPUUtilization: 50}",
	"podDisruptionBudget.enabled":        "podDisruptionBudget: {enabled: false}",
	"podDisruptionBudget.maxUnavailable": "podDisruptionBudget: {maxUnavailable: 25%}",
	"networkPolicy.enabled":              "networkPolicy: {enabled: false}",
	"networkPolicy.clientNamespaceLabels.scopegate-client":                "networkPolicy: {clientNamespaceLabels: {scopegate-client: \"yes\"}}",
	"networkPolicy.monitoringNamespaceLabels.kubernetes.io/metadata.name": "networkPolicy: {monitoringNamespaceLabels: {kubernetes.io/metadata.name: other}}",
	"networkPolicy.additionalEgressPorts":                                 "networkPolicy: {additionalEgressPorts: [3128]}",
	"serviceMonitor.enabled":                                              "serviceMonitor: {enabled: false}",
	"serviceMonitor.interval":                                             "serviceMonitor: {interval: 1m}",
	"serviceMonitor.labels":                                               "serviceMonitor: {labels: {release: prometheus}}",
	"prometheusRule.enabled":                                              "prometheusRule: {enabled: false}",
	"prometheusRule.labels":                                               "prometheusRule: {labels: {release: prometheus}}",
	"serviceAccount.create":                                               "serviceAccount: {create: false}",
	"serviceAccount.name":                                                 "serviceAccount: {name: other}",
	"serviceAccount.annotations":                                          "serviceAccount: {annotations: {a: b}}",
	"podAnnotations":                                                      "podAnnotations: {a: b}",
	"podLabels":                                                           "podLabels: {a: b}",
	"nodeSelector":                                                        "nodeSelector: {a: b}",
	"tolerations":                                                         "tolerations: [{key: a}]",
	"affinity":                                                            "affinity: {nodeAffinity: {}}",
	"priorityClassName":                                                   "priorityClassName: high",
	"env":                                                                 "env: [{name: HTTPS_PROXY, value: \"http://proxy:3128\"}]",
	"volumes":                                                             "volumes: [{name: more, emptyDir: {}}]",
	"volumeMounts":                                                        "volumeMounts: [{name: more, mountPath: /more}]",
}

// TestChartUsesItsValues: each value in values.yaml changes what is made.
func TestChartUsesItsValues(t *testing.T) {
	t.Parallel()
	var values map[string]any
	if err := yaml.UnmarshalStrict([]byte(read(t, chartPath+"/values.yaml")), &values); err != nil {
		t.Fatal(err)
	}
	if got, want := slices.Sorted(maps.Keys(otherValues)), leaves("", values); !slices.Equal(got, want) {
		t.Errorf("there are other values for %q, want them for %q", got, want)
	}
	for name, other := range otherValues {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			base := allOn
			if name == "replicas" {
				base += "autoscaling: {enabled: false}\n"
			}
			before, after := mustRender(t, base), mustRender(t, merge(t, base, other))
			delete(before, "scopegate/templates/NOTES.txt")
			delete(after, "scopegate/templates/NOTES.txt")
			if maps.Equal(before, after) {
				t.Errorf("%s changes nothing, want a change", other)
			}
		})
	}
}

// leaves returns the paths of values that are no maps with something in them, in order.
func leaves(prefix string, value any) []string {
	inner, ok := value.(map[string]any)
	if !ok || len(inner) == 0 {
		return []string{prefix}
	}
	var found []string
	for key, value := range inner {
		found = append(found, leaves(strings.TrimPrefix(prefix+"."+key, "."), value)...)
	}
	slices.Sort(found)
	return found
}

// merge returns the YAML of values, with those of other over them.
func merge(t *testing.T, values, other string) string {
	t.Helper()
	var below, above map[string]any
	for text, into := range map[string]*map[string]any{values: &below, other: &above} {
		if err := yaml.UnmarshalStrict([]byte(text), into); err != nil {
			t.Fatal(err)
		}
	}
	for key, value := range above {
		old, isMap := below[key].(map[string]any)
		if value, ok := value.(map[string]any); ok && isMap {
			maps.Copy(old, value)
			continue
		}
		below[key] = value
	}
	merged, err := yaml.Marshal(below)
	if err != nil {
		t.Fatal(err)
	}
	return string(merged)
}

// schema is what the test reads of values.schema.json.
type schema struct {
	Properties    map[string]schema `json:"properties"`
	PropertyNames struct {
		Not struct {
			Enum []string `json:"enum"`
		} `json:"not"`
	} `json:"propertyNames"`
}

func readSchema(t *testing.T) schema {
	t.Helper()
	var described schema
	if err := json.Unmarshal([]byte(read(t, chartPath+"/values.schema.json")), &described); err != nil {
		t.Fatal(err)
	}
	return described
}

// TestChartSchemaHasNoOtherValues: what the schema describes is in values.yaml. The
// reverse holds because the schema allows nothing else.
func TestChartSchemaHasNoOtherValues(t *testing.T) {
	t.Parallel()
	var values map[string]any
	if err := yaml.UnmarshalStrict([]byte(read(t, chartPath+"/values.yaml")), &values); err != nil {
		t.Fatal(err)
	}
	described := readSchema(t).Properties
	delete(described, "global") // Helm's own
	requireValues(t, "", described, values)
}

func requireValues(t *testing.T, prefix string, described map[string]schema, values map[string]any) {
	t.Helper()
	for name, inner := range described {
		value, ok := values[name]
		if !ok {
			t.Errorf("values.yaml lacks %s%s, which the schema describes", prefix, name)
		}
		if value, ok := value.(map[string]any); ok {
			requireValues(t, prefix+name+".", inner.Properties, value)
		}
	}
}

func TestChartRefusesNonsense(t *testing.T) {
	t.Parallel()
	for values, want := range map[string]string{
		"imgae: {tag: v1}":                             "imgae",
		"image: {tagg: v1}":                            "tagg",
		"image: {tag: 1.0}":                            "/image/tag",
		"image: {digest: sha256:12}":                   "/image/digest",
		"image: {pullPolicy: Sometimes}":               "/image/pullPolicy",
		"intake: {url: intake.example}":                "/intake/url",
		"intake: {apiKeySecret: Not_A_Name}":           "/intake/apiKeySecret",
		"tls: {enabled: \"false\"}":                    "/tls/enabled",
		"tls: {secret: \"\"}":                          "/tls/secret",
		"tenants: {secretKey: a/b}":                    "/tenants/secretKey",
		"settings: {listen: \"127.0.0.1:1\"}":          "'listen'",
		"settings: {memory-limit: 4GiB}":               "'memory-limit'",
		"settings: {--log-level: debug}":               "'--log-level'",
		"shutdownGraceSeconds: 20s":                    "/shutdownGraceSeconds",
		"shutdownGraceSeconds: -1":                     "/shutdownGraceSeconds",
		"spool: {size: 1GB}":                           "/spool/size",
		"resources: {memory: 1.5Gi}":                   "/resources/memory",
		"resources: {memory: 1073741824}":              "/resources/memory",
		"resources: {limits: {memory: 1Gi}}":           "limits",
		"resources: {cpu: {request: two}}":             "/resources/cpu/request",
		"replicas: 1.5":                                "/replicas",
		"autoscaling: {minReplicas: 0}":                "/autoscaling/minReplicas",
		"podDisruptionBudget: {maxUnavailable: none}":  "/podDisruptionBudget/maxUnavailable",
		"networkPolicy: {additionalEgressPorts: [0]}":  "/networkPolicy/additionalEgressPorts/0",
		"networkPolicy: {additionalEgressPorts: 3128}": "/networkPolicy/additionalEgressPorts",
		"serviceMonitor: {interval: 5s}":               "/serviceMonitor/interval",
		"podLabels: {a: 1}":                            "/podLabels/a",
		"env: {A: b}":                                  "/env",
		"env: [{value: b}]":                            "/env/0",
	} {
		if _, err := render(t, values); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got error %v, want %q in it", values, err, want)
		}
	}
}

// TestChartKeepsItsSettings: what the chart itself sets can't be among the further
// settings, where it would be there twice.
func TestChartKeepsItsSettings(t *testing.T) {
	t.Parallel()
	want := []string{"check", "config"} // of the command line alone
	for _, values := range []string{
		"intake: {apiKeySecret: key}\ntls: {clientCertificates: true}\ntenants: {secret: tenants}",
		"tls: {enabled: false}\nintake: {url: \"http://intake/\"}",
	} {
		c, _ := decodeRendered(t, values+"\nsettings: {log-format: null, max-connection-age: null}")
		var set map[string]any
		if err := yaml.UnmarshalStrict([]byte(c.config.Data["scopegate.yaml"]), &set); err != nil {
			t.Fatal(err)
		}
		want = slices.AppendSeq(want, maps.Keys(set))
	}
	slices.Sort(want)
	want = slices.Compact(want)
	if got := slices.Sorted(slices.Values(readSchema(t).Properties["settings"].PropertyNames.Not.Enum)); !slices.Equal(got, want) {
		t.Errorf("the schema refuses the settings %q, want %q", got, want)
	}
}

// TestChartIsOfTheLatestRelease: its image is the one of the latest version in
// CHANGELOG.md.
func TestChartIsOfTheLatestRelease(t *testing.T) {
	t.Parallel()
	metadata := loadChart(t).Metadata
	if want := latestVersion(t); metadata.Version != want || metadata.AppVersion != "v"+want {
		t.Errorf("the chart's versions are %q and %q, want %q and %q", metadata.Version, metadata.AppVersion, want, "v"+want)
	}
	image := path.Join("ghcr.io", strings.TrimPrefix(metadata.Home, "https://github.com/"))
	if got, _, _ := strings.Cut(renderCluster(t, withMonitoring).container(t).Image, ":"); got != image {
		t.Errorf("the chart's image is %q, want %q", got, image)
	}
}

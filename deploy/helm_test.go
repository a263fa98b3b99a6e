package deploy_test

import (
	"encoding/json"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"

	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/engine"
	"sigs.k8s.io/yaml"
)

const chartPath = "helm/scopegate"

// chartVariants are values under which the chart makes all objects.
var chartVariants = map[string]string{
	"defaults": withMonitoring,
	"backend": withMonitoring + `
intake: {apiKeySecret: scopegate-key, apiKeySecretKey: api-key, site: datadoghq.eu}
tls: {clientCertificates: true}
tenants: {secret: scopegate-tenants}
settings: {log-level: debug, max-uploads: 100000, additional-tags: "team:debugger"}
spool: {size: 512Mi}
`,
	"plain": withMonitoring + `
intake: {url: "https://intake.example:8443/symdb"}
tls: {enabled: false}
spool: {enabled: false}
settings: {max-connection-age: null}
shutdownGraceSeconds: 45
resources: {memory: 512Mi}
`,
}

const withMonitoring = "serviceMonitor: {enabled: true}\nprometheusRule: {enabled: true}\n"

// loadedChart is the chart as Helm reads it.
var loadedChart = sync.OnceValues(func() (*chart.Chart, error) {
	loaded, err := loader.LoadDir(chartPath)
	if err == nil {
		err = loaded.Validate()
	}
	return loaded, err
})

func loadChart(t *testing.T) *chart.Chart {
	t.Helper()
	loaded, err := loadedChart()
	if err != nil {
		t.Fatal(err)
	}
	return loaded
}

// render returns what `helm install scopegate` would apply with the values, by the
// template's name.
func render(t *testing.T, values string) (map[string]string, error) {
	t.Helper()
	loaded := loadChart(t)
	var given map[string]any
	if err := yaml.UnmarshalStrict([]byte(values), &given); err != nil {
		t.Fatal(err)
	}
	release := common.ReleaseOptions{Name: "scopegate", Namespace: "symbols", IsInstall: true, Revision: 1}
	all, err := util.ToRenderValues(loaded, given, release, common.DefaultCapabilities)
	if err != nil {
		return nil, err
	}
	return engine.Engine{Strict: true}.Render(loaded, all)
}

func mustRender(t *testing.T, values string) map[string]string {
	t.Helper()
	rendered, err := render(t, values)
	if err != nil {
		t.Fatal(err)
	}
	return rendered
}

// decodeRendered decodes what the chart makes of the values, and names what it leaves
// out.
func decodeRendered(t *testing.T, values string) (c *cluster, missing []string) {
	t.Helper()
	manifests := mustRender(t, values)
	maps.DeleteFunc(manifests, func(name, text string) bool {
		return path.Ext(name) != ".yaml" || strings.TrimSpace(text) == ""
	})
	c, missing = decodeCluster(t, manifests)
	return c, slices.DeleteFunc(missing, func(key string) bool { return strings.Contains(key, "Kustomization") })
}

func renderCluster(t *testing.T, values string) *cluster {
	t.Helper()
	c, missing := decodeRendered(t, values)
	if len(missing) > 0 {
		t.Errorf("the chart leaves out %q, want nothing", missing)
	}
	return c
}

// TestChartIsTheManifests: with its defaults the chart makes what deploy/kubernetes has,
// but for the image's name and for what Helm adds.
func TestChartIsTheManifests(t *testing.T) {
	t.Parallel()
	manifests, rendered := readCluster(t), renderCluster(t, chartVariants["defaults"])
	if got, want := rendered.check(t), manifests.check(t); !maps.Equal(got, want) {
		t.Errorf("the chart's settings are %v, want %v", got, want)
	}
	rendered.config.Data, rendered.kustomization = manifests.config.Data, manifests.kustomization
	container := &rendered.deployment.Spec.Template.Spec.Containers[0]
	container.Image, container.ImagePullPolicy = manifests.container(t).Image, ""
	delete(rendered.deployment.Spec.Template.Annotations, "checksum/config")
	for i, got := range rendered.objects() {
		got, want := plain(t, got), plain(t, manifests.objects()[i])
		if got != want {
			t.Errorf("the chart makes\n%s\nwant\n%s", got, want)
		}
	}
}

func (c *cluster) objects() []any {
	return []any{
		&c.config, &c.account, &c.service, &c.admin, &c.deployment, &c.autoscaler, &c.disruption, &c.network, &c.monitor, &c.alerts,
	}
}

// plain writes an object as YAML without the labels that Helm and kustomize add.
func plain(t *testing.T, object any) string {
	t.Helper()
	written, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	var read map[string]any
	if err := json.Unmarshal(written, &read); err != nil {
		t.Fatal(err)
	}
	dropLabels(read)
	if metadata, ok := read["metadata"].(map[string]any); ok {
		if own, ok := metadata["labels"].(map[string]any); ok {
			delete(own, "app.kubernetes.io/name")
			if len(own) == 0 {
				delete(metadata, "labels")
			}
		}
	}
	text, err := yaml.Marshal(read)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func dropLabels(value any) {
	switch value := value.(type) {
	case map[string]any:
		for _, label := range []string{
			"app.kubernetes.io/instance", "app.kubernetes.io/managed-by", "app.kubernetes.io/part-of", "app.kubernetes.io/version",
			"helm.sh/chart",
		} {
			delete(value, label)
		}
		for _, inner := range value {
			dropLabels(inner)
		}
	case []any:
		for _, inner := range value {
			dropLabels(inner)
		}
	}
}

func TestChartLeavesOut(t *testing.T) {
	t.Parallel()
	for values, want := range map[string]string{
		"autoscaling: {enabled: false}":         "autoscaling/v2 HorizontalPodAutoscaler scopegate",
		"podDisruptionBudget: {enabled: false}": "policy/v1 PodDisruptionBudget scopegate",
		"networkPolicy: {enabled: false}":       "networking.k8s.io/v1 NetworkPolicy scopegate",
		"serviceAccount: {create: false}":       "v1 ServiceAccount scopegate",
	} {
		c, missing := decodeRendered(t, withMonitoring+values)
		if !slices.Equal(missing, []string{want}) {
			t.Errorf("%s leaves out %q, want %q", values, missing, want)
		}
		if scaled := c.deployment.Spec.Replicas == nil; scaled == strings.HasPrefix(values, "autoscaling") {
			t.Errorf("%s: the number of pods is left to the autoscaler: %v, want %v", values, scaled, !scaled)
		}
	}
	_, missing := decodeRendered(t, "{}")
	want := []string{
		"monitoring.coreos.com/v1 PrometheusRule scopegate", "monitoring.coreos.com/v1 ServiceMonitor scopegate",
	}
	if !slices.Equal(missing, want) {
		t.Errorf("by default the chart leaves out %q, want %q", missing, want)
	}
}

// TestChartLetsOutToTheIntake: the network policy has the port of the intake.
func TestChartLetsOutToTheIntake(t *testing.T) {
	t.Parallel()
	for values, want := range map[string]int32{
		"{}":                                    8126,
		"intake: {apiKeySecret: key}":           443,
		"intake: {url: \"http://intake/v1\"}":   80,
		"intake: {url: \"https://intake/v1\"}":  443,
		"intake: {url: \"http://[::1]:81/v1\"}": 81,
		"intake: {url: \"https://intake.example:8443\", apiKeySecret: key}": 8443,
	} {
		c, _ := decodeRendered(t, values)
		if got := c.network.Spec.Egress[1].Ports[0].Port.IntVal; got != want {
			t.Errorf("%s lets out to port %d, want %d", values, got, want)
		}
	}
}

func TestChartNotes(t *testing.T) {
	t.Parallel()
	for values, want := range map[string]string{
		"{}":                    "the secret scopegate-tls",
		"tls: {enabled: false}": "not encrypted",
	} {
		notes := mustRender(t, values)["scopegate/templates/NOTES.txt"]
		for _, want := range []string{want, "dns:///scopegate.symbols.svc:50051", "namespace NAMESPACE scopegate-client=true"} {
			if !strings.Contains(notes, want) {
				t.Errorf("%s: the notes are %q, want %q in them", values, notes, want)
			}
		}
	}
}

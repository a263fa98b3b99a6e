package deploy_test

import (
	"maps"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	apps "k8s.io/api/apps/v1"
	autoscaling "k8s.io/api/autoscaling/v2"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/yaml"
)

// kustomization is what deploy/kubernetes uses of kustomize.config.k8s.io/v1beta1.
type kustomization struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Labels     []struct {
		Pairs map[string]string `json:"pairs"`
	} `json:"labels"`
	Resources []string `json:"resources"`
}

// cluster is everything in deploy/kubernetes.
type cluster struct {
	kustomization  kustomization
	config         core.ConfigMap
	account        core.ServiceAccount
	deployment     apps.Deployment
	autoscaler     autoscaling.HorizontalPodAutoscaler
	disruption     policy.PodDisruptionBudget
	network        networking.NetworkPolicy
	service, admin core.Service
	monitor        monitoring.ServiceMonitor
	alerts         monitoring.PrometheusRule
}

// readCluster decodes the manifests.
func readCluster(t *testing.T) *cluster {
	t.Helper()
	paths, err := filepath.Glob("kubernetes/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	manifests := map[string]string{}
	for _, path := range paths {
		manifests[path] = read(t, path)
	}
	c, missing := decodeCluster(t, manifests)
	if len(missing) > 0 {
		t.Errorf("the manifests lack %q, want all", missing)
	}
	return c
}

// decodeCluster decodes manifests into the types of Kubernetes itself, and names the
// objects that none of them has. Unknown fields, fields of a wrong type and keys that
// are there twice are errors.
func decodeCluster(t *testing.T, manifests map[string]string) (c *cluster, missing []string) {
	t.Helper()
	c = &cluster{}
	into := map[string]any{
		"kustomize.config.k8s.io/v1beta1 Kustomization ":    &c.kustomization,
		"v1 ConfigMap scopegate":                            &c.config,
		"v1 ServiceAccount scopegate":                       &c.account,
		"v1 Service scopegate":                              &c.service,
		"v1 Service scopegate-admin":                        &c.admin,
		"apps/v1 Deployment scopegate":                      &c.deployment,
		"autoscaling/v2 HorizontalPodAutoscaler scopegate":  &c.autoscaler,
		"policy/v1 PodDisruptionBudget scopegate":           &c.disruption,
		"networking.k8s.io/v1 NetworkPolicy scopegate":      &c.network,
		"monitoring.coreos.com/v1 ServiceMonitor scopegate": &c.monitor,
		"monitoring.coreos.com/v1 PrometheusRule scopegate": &c.alerts,
	}
	for path, manifest := range manifests {
		for document := range strings.SplitSeq(manifest, "\n---\n") {
			var head struct {
				APIVersion string `json:"apiVersion"`
				Kind       string `json:"kind"`
				Metadata   struct {
					Name string `json:"name"`
				} `json:"metadata"`
			}
			if err := yaml.Unmarshal([]byte(document), &head); err != nil {
				t.Fatalf("%s: %v", path, err)
			}
			key := head.APIVersion + " " + head.Kind + " " + head.Metadata.Name
			object, ok := into[key]
			if !ok {
				t.Fatalf("%s: %s is not known, or there twice", path, key)
			}
			delete(into, key)
			if err := yaml.UnmarshalStrict([]byte(document), object); err != nil {
				t.Errorf("%s: %s: %v", path, key, err)
			}
		}
	}
	return c, slices.Sorted(maps.Keys(into))
}

// clusters returns the manifests, and what the chart makes of each of its variants.
func clusters(t *testing.T) map[string]*cluster {
	t.Helper()
	all := map[string]*cluster{"manifests": readCluster(t)}
	for name, values := range chartVariants {
		all["chart "+name] = renderCluster(t, values)
	}
	return all
}

func (c *cluster) container(t *testing.T) core.Container {
	t.Helper()
	containers := c.deployment.Spec.Template.Spec.Containers
	if len(containers) != 1 {
		t.Fatalf("there are %d containers, want 1", len(containers))
	}
	return containers[0]
}

func (c *cluster) port(t *testing.T, name string) int32 {
	t.Helper()
	for _, port := range c.container(t).Ports {
		if port.Name == name {
			return port.ContainerPort
		}
	}
	t.Fatalf("the container has no port %s", name)
	return 0
}

// check runs `scopegate serve --check` as the container runs it.
func (c *cluster) check(t *testing.T) settings {
	t.Helper()
	var variables []string
	for _, variable := range c.container(t).Env {
		value := variable.Value
		if source := variable.ValueFrom; source != nil && source.FieldRef != nil && source.FieldRef.FieldPath == "status.hostIP" {
			value = "10.0.0.1"
		}
		variables = append(variables, variable.Name+"="+value)
	}
	return check(t, c.config.Data["scopegate.yaml"], variables...)
}

func TestManifestsAreAllApplied(t *testing.T) {
	t.Parallel()
	c := readCluster(t)
	paths, err := filepath.Glob("kubernetes/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	want := slices.DeleteFunc(paths, func(path string) bool { return filepath.Base(path) == "kustomization.yaml" })
	for i := range want {
		want[i] = filepath.Base(want[i])
	}
	if !slices.Equal(c.kustomization.Resources, want) {
		t.Errorf("the kustomization has %q, the folder %q, want %v", c.kustomization.Resources, want, want)
	}
}

func TestManifestsSelectThePods(t *testing.T) {
	t.Parallel()
	for name, c := range clusters(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pod := labels.Set(c.deployment.Spec.Template.Labels)
			for name, selector := range map[string]map[string]string{
				"deployment":            c.deployment.Spec.Selector.MatchLabels,
				"pod disruption budget": c.disruption.Spec.Selector.MatchLabels,
				"network policy":        c.network.Spec.PodSelector.MatchLabels,
				"service":               c.service.Spec.Selector,
				"admin service":         c.admin.Spec.Selector,
				"topology spread":       c.deployment.Spec.Template.Spec.TopologySpreadConstraints[0].LabelSelector.MatchLabels,
			} {
				if len(selector) == 0 || !labels.SelectorFromSet(selector).Matches(pod) {
					t.Errorf("the %s selects %v, the pods have %v, want them selected", name, selector, pod)
				}
			}
			target := c.autoscaler.Spec.ScaleTargetRef
			if target.Kind != c.deployment.Kind || target.Name != c.deployment.Name || target.APIVersion != c.deployment.APIVersion {
				t.Errorf("the autoscaler scales %+v, want Kind %v, Name %v and APIVersion %v", target, c.deployment.Kind, c.deployment.Name, c.deployment.APIVersion)
			}
			if c.deployment.Spec.Replicas != nil {
				t.Error("applying the deployment would undo what the autoscaler did")
			}
			if got := c.deployment.Spec.Template.Spec.ServiceAccountName; got != c.account.Name {
				t.Errorf("the pods' service account is %q, want %v", got, c.account.Name)
			}
			monitored := labels.SelectorFromSet(c.monitor.Spec.Selector.MatchLabels)
			if !monitored.Matches(labels.Set(c.admin.Labels)) || monitored.Matches(labels.Set(c.service.Labels)) {
				t.Error("the service monitor does not select the admin service alone")
			}
			if c.monitor.Spec.Endpoints[0].Port != c.admin.Spec.Ports[0].Name {
				t.Errorf("the service monitor asks the port %q, want %v", c.monitor.Spec.Endpoints[0].Port, c.admin.Spec.Ports[0].Name)
			}
		})
	}
}

func TestManifestsAgreeOnPorts(t *testing.T) {
	t.Parallel()
	for name, c := range clusters(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found := c.check(t)
			for name, address := range map[string]string{"grpc": found["listen"], "admin": found["admin-listen"]} {
				_, port, err := net.SplitHostPort(address)
				if err != nil || port != strconv.Itoa(int(c.port(t, name))) {
					t.Errorf("scopegate listens on %s for %s, %v, want port %d", address, name, err, c.port(t, name))
				}
			}
			for _, service := range []core.Service{c.service, c.admin} {
				port := service.Spec.Ports[0]
				if c.port(t, port.TargetPort.StrVal) != port.Port || service.Spec.ClusterIP != core.ClusterIPNone {
					t.Errorf("the service %s has %+v, want %v and ClusterIP %v", service.Name, service.Spec, port.Port, core.ClusterIPNone)
				}
			}
			for i, name := range []string{"grpc", "admin"} {
				if got := c.network.Spec.Ingress[i].Ports[0].Port.IntVal; got != c.port(t, name) {
					t.Errorf("the network policy lets %d through for %s, want %d", got, name, c.port(t, name))
				}
			}
			container := c.container(t)
			for name, probe := range map[string]*core.Probe{
				"/healthz": container.LivenessProbe, "/healthz ": container.StartupProbe, "/readyz": container.ReadinessProbe,
			} {
				if probe == nil || probe.HTTPGet.Path != strings.TrimSpace(name) || probe.HTTPGet.Port.StrVal != "admin" {
					t.Errorf("%s: the probe is %+v, want it at the port admin", name, probe)
				}
			}
		})
	}
}

func TestContainerIsConfined(t *testing.T) {
	t.Parallel()
	for name, c := range clusters(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pod, container := c.deployment.Spec.Template.Spec, c.container(t)
			confined := container.SecurityContext
			switch {
			case !*pod.SecurityContext.RunAsNonRoot, *pod.SecurityContext.RunAsUser == 0:
				t.Error("the container may run as root")
			case pod.SecurityContext.SeccompProfile.Type != core.SeccompProfileTypeRuntimeDefault:
				t.Error("there is no seccomp profile")
			case *confined.AllowPrivilegeEscalation, !*confined.ReadOnlyRootFilesystem:
				t.Error("privileges can be gained, or the root file system is writable")
			case !slices.Equal(confined.Capabilities.Drop, []core.Capability{"ALL"}), len(confined.Capabilities.Add) > 0:
				t.Error("the container keeps capabilities")
			case *pod.AutomountServiceAccountToken, *c.account.AutomountServiceAccountToken, *pod.EnableServiceLinks:
				t.Error("the container gets a token or variables that it needs not")
			case pod.HostNetwork, pod.HostPID, pod.HostIPC:
				t.Error("the container shares the host's namespaces")
			case len(c.network.Spec.PolicyTypes) != 2:
				t.Error("the network policy holds for one direction alone")
			}
		})
	}
}

func TestManifestsAgreeOnResources(t *testing.T) {
	t.Parallel()
	for name, c := range clusters(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found := c.check(t)
			limits, requests := c.container(t).Resources.Limits, c.container(t).Resources.Requests
			if !limits.Memory().Equal(*requests.Memory()) {
				t.Error("memory is promised that is not requested")
			}
			checkMemory(t, found.bytes(t, "memory-limit"), limits.Memory().Value())
			for _, name := range []string{"tls-cert", "tls-key", "tls-client-ca", "tenants-file", "api-key-file"} {
				if path := found[name]; filepath.IsAbs(path) && c.volume(t, filepath.Dir(path)).Secret == nil {
					t.Errorf("%s is %s, want it in a secret", name, path)
				}
			}
			if !filepath.IsAbs(found["spool-dir"]) {
				return
			}
			spool := c.volume(t, found["spool-dir"]).EmptyDir
			if spool == nil || spool.Medium != core.StorageMediumDefault {
				t.Fatal("the spool is not on disk")
			}
			if spool.SizeLimit.Value() <= found.bytes(t, "spool-bytes") {
				t.Errorf("the spool has %v, and scopegate takes %s, want fewer", spool.SizeLimit, found["spool-bytes"])
			}
			if limits.StorageEphemeral().Cmp(*spool.SizeLimit) <= 0 || requests.StorageEphemeral().Cmp(*spool.SizeLimit) <= 0 {
				t.Error("the spool has no room in the container's storage")
			}
		})
	}
}

// checkMemory: the kernel counts a tenth more than the Go runtime does.
func checkMemory(t *testing.T, server, outer int64) {
	t.Helper()
	if server > outer/10*9 || server < outer/10*8 {
		t.Errorf("--memory-limit is %d, which is not eight to nine tenths of %d", server, outer)
	}
}

func (c *cluster) volume(t *testing.T, path string) core.VolumeSource {
	t.Helper()
	for _, mount := range c.container(t).VolumeMounts {
		if mount.MountPath != path {
			continue
		}
		for _, volume := range c.deployment.Spec.Template.Spec.Volumes {
			if volume.Name == mount.Name {
				return volume.VolumeSource
			}
		}
	}
	t.Fatalf("nothing is mounted at %s", path)
	return core.VolumeSource{}
}

func TestPodsStopInTime(t *testing.T) {
	t.Parallel()
	for name, c := range clusters(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const rest = 5 * time.Second
			before := time.Duration(c.container(t).Lifecycle.PreStop.Sleep.Seconds) * time.Second
			grace := c.check(t).duration(t, "shutdown-grace")
			given := time.Duration(*c.deployment.Spec.Template.Spec.TerminationGracePeriodSeconds) * time.Second
			if given < before+grace+rest {
				t.Errorf("pods are killed after %v, and need %v, %v and %v, want at least %v", given, before, grace, rest, before+grace+rest)
			}
		})
	}
}

func TestContainerIsStartedWithFlagsThatExist(t *testing.T) {
	t.Parallel()
	for name, c := range clusters(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			args := c.container(t).Args
			if len(args) == 0 || args[0] != "serve" {
				t.Fatalf("the arguments are %q, want serve first", args)
			}
			checkFlags(t, args)
		})
	}
}

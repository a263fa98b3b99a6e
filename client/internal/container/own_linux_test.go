package container

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestIdentify reads cgroup files of real forms.
func TestIdentify(t *testing.T) {
	t.Parallel()
	const (
		docker = "d548c5b83fa61d8e3bd86ad42a7ffea9b7c86e3f9d8095c1577d3e1270bb9420"
		inner  = "33bf6fbd7cd8379785a21e233d8e09f824e7bab459168a96312c1c882c1d7e1f"
		pod    = "17c132990e8e8523ccd403287b6ae761c1cd57f764df278bce7ed310bbddd7f1"
		slice  = "e0031c189e34e10d9c202fa8d75f72d3296a239164fe6b07e7dc206c7b723d98"
		crio   = "c64064614423cb790e88b3e5492ff5ccf673b25ae823089f7a60c65cda24d809"
		podman = "2f259bab93aaaaa2542ba43ef33eb990d0999ee1b9924b557b7be53c0b7a1bb9"
	)
	for name, test := range map[string]struct {
		id        string
		directory string // for the inode in a namespace, if there is no id
	}{
		"docker_v1":                        {id: docker},
		"docker_systemd_v1":                {id: docker},
		"docker_v2_host_namespace":         {id: docker},
		"docker_in_docker_v1":              {id: inner},
		"kubernetes_v1":                    {id: pod},
		"kubernetes_containerd_v2":         {id: slice},
		"kubernetes_containerd_colons":     {id: slice},
		"kubernetes_crio_v1":               {id: crio},
		"kubernetes_pod_without_container": {directory: "kubepods/burstable/pod3d274242-8ee0-11e9-a8a6-1e68d864ef1a"},
		"podman_root_v1":                   {id: podman},
		"podman_rootless_v2":               {id: podman},
		"ecs_ec2":                          {id: "d940b56413af584806504ea58f1f7c0b6da2a1ea2dc6733d32117427c7c83936"},
		"ecs_fargate_1.3":                  {id: "46a63651e7364e4168337e4ddf0300d2043fb4e2ff3927da8c1822085a78b702"},
		"ecs_fargate_1.4":                  {id: "0ebb429fa86d481c2630fac53db1c91c-1053176469"},
		"garden":                           {id: "6f265890-5165-7fab-6b52-18d1"},
		"uuid":                             {id: "34dc0b5e-626f-4c5c-8c51-70e34b10e765"},
		"namespace_v1":                     {directory: "memory"},
		"namespace_v2":                     {directory: "."},
		"namespace_v2_below":               {directory: "app"},
		"namespace_v2_outside":             {directory: "outside"},
		"host_v2":                          {directory: "user.slice/user-1000.slice/session-2.scope"},
		"malformed":                        {},
		"empty":                            {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			lines, err := os.ReadFile(filepath.Join("testdata", name))
			if err != nil {
				t.Fatal(err)
			}
			root := t.TempDir()
			write(t, filepath.Join(root, "proc/self/cgroup"), lines)
			for _, inNamespace := range []bool{false, true} {
				want := Identity{ExternalEnv: "it-false,cn-shop"}
				switch {
				case test.id != "":
					want.ContainerID, want.EntityID = test.id, "ci-"+test.id
				case inNamespace && test.directory != "":
					directory := filepath.Join(root, "sys/fs/cgroup", test.directory)
					if err := os.MkdirAll(directory, 0o750); err != nil {
						t.Fatal(err)
					}
					want.EntityID = "in-" + strconv.FormatUint(inode(directory), 10)
				}
				if got := identify(root, inNamespace, want.ExternalEnv); got != want {
					t.Errorf("in a namespace %t: got %+v, want %+v", inNamespace, got, want)
				}
			}
		})
	}
}

func write(t *testing.T, path string, text []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestExternalEnvIsCleaned: characters that the server would refuse are removed.
func TestExternalEnvIsCleaned(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		"it-false": "it-false", "": "", "\xff": "", strings.Repeat("x", 256): strings.Repeat("x", 256), strings.Repeat("x", 257): "",
	} {
		if got := identify(t.TempDir(), true, given); got != (Identity{ExternalEnv: want}) {
			t.Errorf("%q: got %+v, want ExternalEnv %q alone", given, got, want)
		}
	}
}

// TestOwn runs in an unknown environment.
func TestOwn(t *testing.T) {
	t.Setenv("DD_EXTERNAL_ENV", "it-false")
	own := Own()
	if own.ExternalEnv != "it-false" {
		t.Errorf("ExternalEnv %q, want it-false", own.ExternalEnv)
	}
	if own.ContainerID != "" && own.EntityID != "ci-"+own.ContainerID {
		t.Errorf("EntityID %q of container %q, want both the same", own.EntityID, own.ContainerID)
	}
}

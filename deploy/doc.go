// Package deploy checks the files beside it: the container, the Kubernetes manifests,
// the Helm chart, the alerts and the systemd unit; and how releases are built. It is a module of its own, so that what it needs
// for that stays out of scopegate's. There is nothing in it to import.
package deploy

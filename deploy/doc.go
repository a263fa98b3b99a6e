// Package deploy checks the files beside it: the container, the Kubernetes manifests,
// the alerts and the systemd unit. It is a module of its own, so that what it needs
// for that stays out of scopegate's. There is nothing in it to import.
package deploy

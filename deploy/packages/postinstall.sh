#!/bin/sh
# Runs after an installation and after an upgrade. It restarts the service if it runs, and does not start it otherwise.
set -e

if [ -d /run/systemd/system ]; then
  systemctl daemon-reload
  systemctl try-restart scopegate.service || true
fi

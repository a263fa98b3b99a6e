#!/bin/sh
# Runs before the files are removed. At a removal, dpkg gives the argument "remove", and rpm 0. After an upgrade,
# postinstall.sh restarts the service.
set -e

case "$1" in
  remove | 0)
    if command -v systemctl >/dev/null; then
      systemctl disable --now scopegate.service || true
    fi
    ;;
esac

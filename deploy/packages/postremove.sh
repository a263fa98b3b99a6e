#!/bin/sh
# Runs after the files are removed. When dpkg also removes the configuration ("purge"), the spool directory goes with it.
set -e

if [ "$1" = purge ]; then
  rm -rf /var/cache/scopegate /var/cache/private/scopegate
fi
if [ -d /run/systemd/system ]; then
  systemctl daemon-reload
fi

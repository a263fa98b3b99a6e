#!/usr/bin/env bash
# Puts the program and the packages that it needs into a directory. build.sh PROTOSET OUT
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$2"
cp "$here"/*.js "$here"/package.json "$here"/package-lock.json "$1" "$2"
cp -r "$here/../../../proto" "$2"
npm ci --prefix "$2" --ignore-scripts --no-audit --no-fund || exit 75
cat >"$2/run" <<END
#!/bin/sh
exec node '$2/produce.js' "\$@"
END
cat >"$2/gunzip" <<END
#!/bin/sh
exec node '$2/gunzip.js'
END
chmod +x "$2/run" "$2/gunzip"

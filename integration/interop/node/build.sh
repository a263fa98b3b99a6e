#!/usr/bin/env bash
# Puts the program and the packages that it needs into a directory. build.sh PROTOSET OUT
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$2"
out=$(cd "$2" && pwd)
cp "$here"/*.js "$here"/package.json "$here"/package-lock.json "$1" "$out"
cp -r "$here/../../../proto" "$out"
npm ci --prefix "$out" --ignore-scripts --no-audit --no-fund || exit 75
cat >"$out/run" <<END
#!/bin/sh
exec node '$out/produce.js' "\$@"
END
cat >"$out/gunzip" <<END
#!/bin/sh
exec node '$out/gunzip.js'
END
chmod +x "$out/run" "$out/gunzip"

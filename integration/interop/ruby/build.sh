#!/usr/bin/env bash
# Generates the messages and the stub into a directory. build.sh PROTOSET OUT
set -euo pipefail
mkdir -p "$2"
out=$(cd "$2" && pwd)
protoc --descriptor_set_in="$1" \
  --ruby_out="$out" --grpc_out="$out" --plugin=protoc-gen-grpc="$(command -v grpc_ruby_plugin)" \
  symdb/v1/scope.proto symdb/v1/symbol_database_service.proto
cat >"$out/run" <<END
#!/bin/sh
exec ruby -I'$out' '$(cd "$(dirname "$0")" && pwd)/produce.rb' "\$@"
END
cat >"$out/gunzip" <<END
#!/bin/sh
exec ruby '$(cd "$(dirname "$0")" && pwd)/gunzip.rb'
END
chmod +x "$out/run" "$out/gunzip"

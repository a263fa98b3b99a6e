#!/usr/bin/env bash
# Generates the messages and the stub into a directory. build.sh PROTOSET OUT
set -euo pipefail
mkdir -p "$2"
protoc --descriptor_set_in="$1" \
  --ruby_out="$2" --grpc_out="$2" --plugin=protoc-gen-grpc="$(command -v grpc_ruby_plugin)" \
  symdb/v1/scope.proto symdb/v1/symbol_database_service.proto
cat >"$2/run" <<END
#!/bin/sh
exec ruby -I'$2' '$(cd "$(dirname "$0")" && pwd)/produce.rb' "\$@"
END
cat >"$2/gunzip" <<END
#!/bin/sh
exec ruby '$(cd "$(dirname "$0")" && pwd)/gunzip.rb'
END
chmod +x "$2/run" "$2/gunzip"

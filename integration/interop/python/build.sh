#!/usr/bin/env bash
# Generates the messages and the stub into a directory. build.sh PROTOSET OUT
set -euo pipefail
mkdir -p "$2"
out=$(cd "$2" && pwd)
protoc --descriptor_set_in="$1" \
  --python_out="$out" --grpc_python_out="$out" --plugin=protoc-gen-grpc_python="$(command -v grpc_python_plugin)" \
  symdb/v1/scope.proto symdb/v1/symbol_database_service.proto google/rpc/error_details.proto google/rpc/status.proto
cat >"$out/run" <<END
#!/bin/sh
PYTHONPATH='$out' PYTHONDONTWRITEBYTECODE=1 exec /usr/bin/python3 '$(cd "$(dirname "$0")" && pwd)/produce.py' "\$@"
END
cat >"$out/gunzip" <<END
#!/bin/sh
exec /usr/bin/python3 '$(cd "$(dirname "$0")" && pwd)/gunzip.py'
END
chmod +x "$out/run" "$out/gunzip"

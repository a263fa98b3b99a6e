#!/usr/bin/env bash
# Generates the messages and the stub into a directory. build.sh PROTOSET OUT
set -euo pipefail
mkdir -p "$2"
protoc --descriptor_set_in="$1" \
  --python_out="$2" --grpc_python_out="$2" --plugin=protoc-gen-grpc_python="$(command -v grpc_python_plugin)" \
  symdb/v1/scope.proto symdb/v1/symbol_database_service.proto google/rpc/error_details.proto google/rpc/status.proto
cat >"$2/run" <<END
#!/bin/sh
PYTHONPATH='$2' PYTHONDONTWRITEBYTECODE=1 exec /usr/bin/python3 '$(cd "$(dirname "$0")" && pwd)/produce.py' "\$@"
END
cat >"$2/gunzip" <<END
#!/bin/sh
exec /usr/bin/python3 '$(cd "$(dirname "$0")" && pwd)/gunzip.py'
END
chmod +x "$2/run" "$2/gunzip"

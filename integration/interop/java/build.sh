#!/usr/bin/env bash
# Generates the messages and the stub, and compiles all. build.sh PROTOSET OUT
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
rm -rf "$2/generated" "$2/classes"
mkdir -p "$2/generated" "$2/classes"
protoc --descriptor_set_in="$1" \
  --java_out="$2/generated" --grpc-java_out="$2/generated" --plugin=protoc-gen-grpc-java="$(command -v grpc_java_plugin)" \
  symdb/v1/scope.proto symdb/v1/symbol_database_service.proto google/rpc/error_details.proto google/rpc/status.proto
jars=$(printf '/usr/share/java/%s.jar:' \
  grpc-api grpc-context grpc-core grpc-netty grpc-protobuf grpc-protobuf-lite grpc-stub protobuf protobuf-util gson guava \
  geronimo-annotation-1.3-spec perfmark-api jsr305 netty-buffer netty-codec netty-codec-http netty-codec-http2 netty-common netty-handler netty-resolver \
  netty-transport)
find "$2/generated" "$here" "$here/../testdata/golden/java" -name '*.java' >"$2/sources"
javac -nowarn -parameters -encoding UTF-8 -d "$2/classes" -cp "$jars" "@$2/sources"
cat >"$2/run" <<END
#!/bin/sh
exec java -Xmx64m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -cp '$2/classes:$jars' Produce "\$@"
END
cat >"$2/gunzip" <<END
#!/bin/sh
exec java -Xmx64m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -cp '$2/classes' Gunzip
END
chmod +x "$2/run" "$2/gunzip"

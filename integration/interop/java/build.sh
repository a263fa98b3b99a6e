#!/usr/bin/env bash
# Generates the messages and the stub, and compiles all. build.sh PROTOSET OUT
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$2"
out=$(cd "$2" && pwd)
rm -rf "$out/generated" "$out/classes"
mkdir "$out/generated" "$out/classes"
protoc --descriptor_set_in="$1" \
  --java_out="$out/generated" --grpc-java_out="$out/generated" --plugin=protoc-gen-grpc-java="$(command -v grpc_java_plugin)" \
  symdb/v1/scope.proto symdb/v1/symbol_database_service.proto google/rpc/error_details.proto google/rpc/status.proto
jars=$(printf '/usr/share/java/%s.jar:' \
  grpc-api grpc-context grpc-core grpc-netty grpc-protobuf grpc-protobuf-lite grpc-stub protobuf protobuf-util gson guava \
  geronimo-annotation-1.3-spec perfmark-api jsr305 netty-buffer netty-codec netty-codec-http netty-codec-http2 netty-common netty-handler netty-resolver \
  netty-transport)
find "$out/generated" "$here" "$here/../testdata/golden/java" -name '*.java' >"$out/sources"
javac -nowarn -parameters -encoding UTF-8 -d "$out/classes" -cp "$jars" "@$out/sources"
cat >"$out/run" <<END
#!/bin/sh
exec java -Xmx64m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -cp '$out/classes:$jars' Produce "\$@"
END
cat >"$out/gunzip" <<END
#!/bin/sh
exec java -Xmx64m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -cp '$out/classes' Gunzip
END
chmod +x "$out/run" "$out/gunzip"

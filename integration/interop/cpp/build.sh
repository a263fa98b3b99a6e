#!/usr/bin/env bash
# Generates the messages and the stub, and compiles all. build.sh PROTOSET OUT
#
# What is generated takes long to compile, so it is done again only where it differs.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$2/next" "$2/generated"
protoc --descriptor_set_in="$1" \
  --cpp_out="$2/next" --grpc_out="$2/next" --plugin=protoc-gen-grpc="$(command -v grpc_cpp_plugin)" \
  symdb/v1/scope.proto symdb/v1/symbol_database_service.proto google/rpc/error_details.proto google/rpc/status.proto
read -ra flags < <(pkg-config --cflags grpc++ protobuf)
read -ra libraries < <(pkg-config --libs grpc++ protobuf)
compile=(g++ -std=c++17 -O2 -Wall -Wno-deprecated-declarations "${flags[@]}" -I "$2/generated")
if [[ ! -e "$2/generated.a" ]] || ! diff -rq "$2/next" "$2/generated" >/dev/null; then
  rm -rf "$2/generated" "$2/generated.a"
  cp -r "$2/next" "$2/generated"
  while read -r source; do
    "${compile[@]}" -c "$source" -o "$source.o"
  done < <(find "$2/generated" -name '*.cc')
  find "$2/generated" -name '*.o' -exec ar rcs "$2/generated.a" {} +
  find "$2/generated" -name '*.o' -delete
fi
rm -rf "$2/next"
"${compile[@]}" -Wextra "$here"/*.cpp "$2/generated.a" "${libraries[@]}" -lpthread -o "$2/run"

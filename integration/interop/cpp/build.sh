#!/usr/bin/env bash
# Generates the messages and the stub, and compiles all. build.sh PROTOSET OUT
#
# What is generated takes long to compile, so it is done again only where it differs.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$2"
out=$(cd "$2" && pwd)
mkdir -p "$out/next" "$out/generated"
messages=(symdb/v1/scope.proto symdb/v1/symbol_database_service.proto google/rpc/error_details.proto google/rpc/status.proto)
protoc --descriptor_set_in="$1" --cpp_out="$out/next" "${messages[@]}"
protoc --descriptor_set_in="$1" --grpc_out="$out/next" --plugin=protoc-gen-grpc="$(command -v grpc_cpp_plugin)" \
  symdb/v1/symbol_database_service.proto
read -ra flags < <(pkg-config --cflags grpc++ protobuf)
read -ra libraries < <(pkg-config --libs grpc++ protobuf)
compile=(g++ -std=c++17 -Wall -Wno-deprecated-declarations "${flags[@]}" -I "$out/generated" -c)

# compiles sources, as many at once as there are processors, to objects in a directory.
compile_to() { # DIRECTORY OPTION... <SOURCES
  mkdir -p "$1"
  # shellcheck disable=SC2016 # for the inner shell
  xargs -P "$(nproc)" -I {} sh -c 'directory=$1 source=$2; shift 2; exec "$@" "$source" -o "$directory/$(basename "$source").o"' \
    sh "$1" {} "${compile[@]}" "${@:2}"
}

if [[ ! -e "$out/generated.a" ]] || ! diff -rq "$out/next" "$out/generated" >/dev/null; then
  rm -rf "$out/generated" "$out/generated.a" "$out/objects"
  cp -r "$out/next" "$out/generated"
  find "$out/generated" -name '*.cc' | compile_to "$out/objects/generated" -O0
  ar rcs "$out/generated.a" "$out/objects/generated"/*.o
fi
rm -rf "$out/next"
printf '%s\n' "$here"/*.cpp | compile_to "$out/objects/own" -O1 -Wextra
g++ "$out/objects/own"/*.o "$out/generated.a" "${libraries[@]}" -lpthread -o "$out/run"
g++ -std=c++17 -Wall -Wextra -O1 "$here/gunzip/gunzip.cpp" -lz -o "$out/gunzip"

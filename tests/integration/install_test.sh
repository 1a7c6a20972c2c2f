#!/usr/bin/env bash
# Installs a built tree, moves the installation, runs its programs, and builds a program
# on its library with find_package(gistd).
# usage: tests/integration/install_test.sh BUILD
set -euo pipefail
build=$(readlink -f "$1")
root=$(readlink -f "$(dirname "$0")/../..")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export -n GIST_HOME GIST_SERVER LD_LIBRARY_PATH

fail() {
  printf 'FAILED: %s\n' "$*" >&2
  exit 1
}

# quietly COMMAND...: shows its output if it fails.
quietly() {
  "$@" >"$work/log" 2>&1 || { cat "$work/log" >&2; fail "$*"; }
}

for component in client programs; do
  quietly cmake --install "$build" --prefix "$work/first" --component "$component"
done
mv "$work/first" "$work/moved"
home=$work/moved/share/gistd
# In place of the components libtorch and models, whose files are large.
mkdir -p "$work/moved/lib/gistd"
ln -s "$root"/third_party/libtorch/{torch,nvidia} "$work/moved/lib/gistd/"

for program in "$work"/moved/bin/*; do
  runpath=$(readelf -d "$program" | sed -n 's/.*R\(UN\)\?PATH.*\[\(.*\)\]/\2/p')
  # shellcheck disable=SC2016  # the loader expands it
  [[ "$runpath" == "" || "$runpath" == '$ORIGIN/'* ]] ||
    fail "${program##*/} looks for libraries in $runpath; want a path from \$ORIGIN"
done
quietly "$work/moved/bin/gist" --version
quietly "$work/moved/bin/gist" plan --help
"$work/moved/bin/gistd" --check-config >"$work/config" || fail "gistd --check-config"
grep -qF "$home/adapters/presets" "$work/config" ||
  fail "gistd looks elsewhere than in $home/adapters/presets: $(cat "$work/config")"
for folder in adapters/default adapters/answer adapters/presets; do
  [ -d "$home/$folder" ] || fail "$folder is not installed"
done
[ -e "$home/proto/gist/v1/gist.proto" ] || fail "gist.proto is not installed"

mkdir "$work/consumer"
cat >"$work/consumer/CMakeLists.txt" <<'CMAKE'
cmake_minimum_required(VERSION 3.25)
project(consumer LANGUAGES CXX)
find_package(gistd 0.1 REQUIRED)
add_executable(consumer main.cc)
target_link_libraries(consumer PRIVATE gist::client)
CMAKE
cat >"$work/consumer/main.cc" <<'CC'
#include "client/gist_client.h"
int main() {
  const gist::client::GistClient client({.target = "127.0.0.1:1", .timeout_seconds = 2});
  return absl::IsUnavailable(client.GetServerInfo().status()) ? 0 : 1;
}
CC
quietly cmake -S "$work/consumer" -B "$work/consumer/build" -G Ninja \
  -D "CMAKE_PREFIX_PATH=$work/moved"
quietly cmake --build "$work/consumer/build"
quietly "$work/consumer/build/consumer"
echo "installed, moved, found, linked and run"

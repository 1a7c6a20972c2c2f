#!/usr/bin/env bash
# Configures and builds.
# usage: deploy/build.sh [PRESET [TARGET...]]    default: release, everything
# The presets are those of CMakePresets.json; results land in build/PRESET.
# GIST_TESTS=ON or OFF: with or without tests. By default with tests where GoogleTest is
# installed (deploy/setup.sh tests). A folder that has tests keeps them.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

preset=${1:-release}
shift || true
folder=build/$preset
# Lets clones in different folders share one compiler cache.
export CCACHE_BASEDIR=${CCACHE_BASEDIR:-$root} CCACHE_NOHASHDIR=1
export NINJA_STATUS=${NINJA_STATUS:-[%f/%t, %es] }

# A folder that was configured elsewhere (a copied tree) cannot be used.
configured_at() {
  sed -n 's/^CMAKE_HOME_DIRECTORY:INTERNAL=//p' "$folder/CMakeCache.txt" 2>/dev/null || true
}

tests_wanted() {
  if [ -n "${GIST_TESTS:-}" ]; then
    echo "$GIST_TESTS"
  elif [ -e /usr/include/gtest/gtest.h ]; then
    echo ON
  else
    echo OFF
  fi
}

has_tests() {
  grep -q '^GIST_TESTS:BOOL=ON' "$folder/CMakeCache.txt"
}

configure() {
  local at tests
  tests=$(tests_wanted)
  at=$(configured_at)
  if [ -n "$at" ] && [ "$at" != "$root" ]; then
    echo "   $folder was configured for $at: starting afresh"
    rm -rf "$folder"
  fi
  # Afterwards ninja itself sees changes of all other files.
  if [ -e "$folder/build.ninja" ] && [ "$folder/build.ninja" -nt CMakePresets.json ]; then
    if [ "$tests" = OFF ] || has_tests; then
      echo "   $folder is configured"
      return
    fi
  fi
  echo "   tests: $tests"
  logged "build/log/configure-$preset.log" cmake --preset "$preset" -D "GIST_TESTS=$tests"
}

build() {
  local targets=()
  [ $# -eq 0 ] || targets=(--target "$@")
  cmake --build "$folder" --parallel "$(jobs_for_machine)" "${targets[@]}"
}

step "configure $preset" configure
step "build $preset${*:+: $*}" build "$@"

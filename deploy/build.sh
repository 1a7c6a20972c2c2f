#!/usr/bin/env bash
# Configures and builds.
# usage: deploy/build.sh [PRESET [TARGET...]]    default: release, everything
# The presets are those of CMakePresets.json; results land in build/PRESET.
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

configure() {
  local at
  at=$(configured_at)
  if [ -n "$at" ] && [ "$at" != "$root" ]; then
    echo "   $folder was configured for $at: starting afresh"
    rm -rf "$folder"
  fi
  # Afterwards ninja itself sees changes of all other files.
  if [ -e "$folder/build.ninja" ] && [ "$folder/build.ninja" -nt CMakePresets.json ]; then
    echo "   $folder is configured"
    return
  fi
  logged "build/log/configure-$preset.log" cmake --preset "$preset"
}

build() {
  local targets=()
  [ $# -eq 0 ] || targets=(--target "$@")
  cmake --build "$folder" --parallel "$(jobs_for_machine)" "${targets[@]}"
}

step "configure $preset" configure
step "build $preset${*:+: $*}" build "$@"

#!/usr/bin/env bash
# Speed of the engine and of gistd beside llama.cpp on this machine, job by job in turns,
# and a verdict for each goal: met, missed or not here.
# usage: tests/bench/peers.sh [PART...] [OPTION...]    peers.sh --help lists both
# Builds libllama from the pinned source archive of peers.txt into build/peers: 4 minutes
# of one core at the first run. ROUNDS=N is --rounds N.
# shellcheck source-path=SCRIPTDIR source=../../deploy/lib.sh
. "$(dirname "$(readlink -f "$0")")/../../deploy/lib.sh"

out=build/peers
library=$out/library/bin

# The source archive, checked against its pinned hash, unpacked.
fetch_sources() {
  local part
  part=$(mktemp -d "$out/.part-XXXXXX") || return
  "$python" -m pip download --quiet --disable-pip-version-check --no-deps \
    --no-binary llama-cpp-python --require-hashes -r tests/bench/peers.txt --dest "$part" \
    || return
  tar -xzf "$part"/llama_cpp_python-*.tar.gz -C "$part" || return
  # A file that names a folder of git that is not here: CMake would run for ever.
  rm -f "$part"/llama_cpp_python-*/vendor/llama.cpp/.git
  rm -rf "$out/sources"
  mv "$part"/llama_cpp_python-*/vendor/llama.cpp "$out/sources" || return
  rm -rf "$part"
}

build_library() {
  cmake -S "$out/sources" -B "$out/library" -G Ninja -D CMAKE_BUILD_TYPE=Release \
    -D GGML_NATIVE=ON -D BUILD_SHARED_LIBS=ON -D GGML_CCACHE=OFF -D LLAMA_CURL=OFF \
    -D LLAMA_BUILD_COMMON=OFF -D LLAMA_BUILD_TESTS=OFF -D LLAMA_BUILD_TOOLS=OFF \
    -D LLAMA_BUILD_EXAMPLES=OFF -D LLAMA_BUILD_SERVER=OFF -D LLAMA_BUILD_APP=OFF || return
  cmake --build "$out/library" --parallel "$(jobs_for_machine)" --target llama
}

# Of another processor or another version it is built anew.
want_library() {
  local wanted
  wanted=$(cat tests/bench/peers.txt; sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo | uniq)
  [ "$(cat "$out/built_for" 2>/dev/null)" != "$wanted" ] || return 0
  mkdir -p "$out"
  step "sources of llama.cpp" logged build/log/peers-fetch.log fetch_sources || return
  rm -rf "$out/library"
  step "build libllama" logged build/log/peers-build.log build_library || return
  printf '%s\n' "$wanted" >"$out/built_for"
}

build_driver() {
  [ ! "$out/llama_bench" -nt tests/bench/llama_bench.cc ] ||
    [ ! "$out/llama_bench" -nt "$out/built_for" ] || return 0
  c++ -std=c++20 -O2 tests/bench/llama_bench.cc -o "$out/llama_bench" \
    -I"$out/sources/include" -I"$out/sources/ggml/include" -L"$library" \
    -lllama -lggml -lggml-base -Wl,-rpath,"$root/$library"
}

case " $* " in
  *" --help "* | *" -h "*) exec "$python" tests/bench/peers.py --help ;;
esac
deploy/build.sh release gistd gist gist_engine_bench gist_limits >&2
want_library >&2 || die "libllama is not built: see above"
build_driver >&2 || die "tests/bench/llama_bench.cc does not compile: see above"
exec "$python" tests/bench/peers.py "$@"

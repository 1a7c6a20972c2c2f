#!/usr/bin/env bash
# Installs, builds and runs the tests; the last line says how many passed.
# usage: tests/run.sh [all|unit|model|integration|asan|cuda]...    default: all
#   unit         without weights; seconds once built; reads the deployment too
#   model        the model's arithmetic against golden values
#   integration  a real server with the real model; a real Prometheus that watches one
#   asan         the server and below, without LibTorch, under AddressSanitizer and UBSan
#   cuda         compiles and links libgist_cuda.so where nvcc is found; runs nothing
# Exit status: 0 if tests ran and all passed.
# shellcheck source-path=SCRIPTDIR source=../deploy/lib.sh
. "$(dirname "$(readlink -f "$0")")/../deploy/lib.sh"

passed=0
failed=0
skipped=0
times=()

# In every case, an error too, the last line is the summary.
finish() {
  local status=$?
  if [ "$status" -ne 0 ] && [ "$failed" -eq 0 ]; then failed=1; fi
  printf '\n'
  [ "${#times[@]}" -eq 0 ] || printf '%s\n' "${times[@]}"
  [ "$skipped" -eq 0 ] || printf '%s skipped\n' "$skipped"
  printf '%s passed, %s failed\n' "$passed" "$failed"
  if [ "$failed" -ne 0 ] || [ "$passed" -eq 0 ]; then exit 1; fi
}
trap finish EXIT

# timed NAME COMMAND...: remembers its seconds for the summary.
timed() {
  local name=$1 start=$EPOCHREALTIME status=0
  shift
  "$@" || status=$?
  times+=("$(printf '%-24s %7s s%s' "$name" "$(seconds_since "$start")" \
    "$([ "$status" -eq 0 ] || echo '  FAILED')")")
  return "$status"
}

# run_ctest PRESET LABELS PARALLEL: adds what it reports to the counts. LABELS is a
# regular expression.
run_ctest() {
  local report=$root/build/log/ctest-$1-${2//[^a-z]/}.xml counts ok=0
  rm -f "$report"
  ctest --preset "$1" --label-regex "$2" --parallel "$3" --no-tests=error \
    --output-junit "$report" || ok=$?
  counts=$("$python" - "$report" <<'PYTHON'
import sys, xml.etree.ElementTree as tree
suite = tree.parse(sys.argv[1]).getroot()
tests, failed, skipped, off = (
    int(suite.get(name, 0)) for name in ("tests", "failures", "skipped", "disabled"))
print(tests - failed - skipped - off, failed, skipped + off)
PYTHON
  ) || counts="0 1 0"
  # shellcheck disable=SC2086  # three numbers
  set -- $counts
  # ctest may fail where no test did: nothing was found, or a binary is missing.
  if [ "$ok" -ne 0 ] && [ "$2" -eq 0 ]; then set -- "$1" 1 "$3"; fi
  passed=$((passed + $1))
  failed=$((failed + $2))
  skipped=$((skipped + $3))
  return "$ok"
}

release_ready=
build_release() {
  [ -z "$release_ready" ] || return 0
  timed "build release" deploy/build.sh release
  release_ready=1
}

# One group of release tests; a failing test does not stop the next group.
group() {
  build_release
  timed "$1 tests" run_ctest release "^$1\$" "$2" || true
}

asan() {
  timed "build asan" deploy/build.sh asan
  timed "asan tests" run_ctest asan '^(unit|model|integration)$' "$(nproc)" || true
}

find_nvcc() {
  command -v nvcc || { [ -x /usr/local/cuda/bin/nvcc ] && echo /usr/local/cuda/bin/nvcc; }
}

# Linking needs only libtorch_cuda.so, which the CPU download holds too. All that
# running needs (3.0 GB more) is used if it is there, or fetched with GIST_CI_CUDA=1.
build_cuda() {
  local libtorch=third_party/libtorch-cuda
  if [ "${GIST_CI_CUDA:-0}" = 1 ]; then
    step "LibTorch with CUDA" "$python" deploy/fetch.py cuda || return
  elif [ ! -e "$libtorch/.stamp" ]; then
    libtorch=third_party/libtorch-cuda-link
    step "LibTorch for linking with CUDA" "$python" deploy/fetch.py cuda-link || return
  fi
  step "configure cuda" logged build/log/configure-cuda.log cmake --preset cuda \
    -D "LIBTORCH_ROOT=$root/$libtorch" -D "CMAKE_CUDA_COMPILER=$1" || return
  step "build cuda: gist_cuda" cmake --build build/cuda --target gist_cuda \
    --parallel "$(jobs_for_machine)"
}

cuda() {
  local nvcc
  if ! nvcc=$(find_nvcc); then
    times+=("cuda: not built, no nvcc on this machine")
    return
  fi
  timed "compile and link cuda" build_cuda "$nvcc"
  passed=$((passed + 1))
  times+=("cuda: compiled and linked, not run: one check")
}

run_group() {
  case $1 in
    # One test a core, each with one thread: threads of LibTorch that wait for each
    # other on a busy machine take many times as long.
    unit | model) OMP_NUM_THREADS=1 group "$1" "$(nproc)" ;;
    # Each integration test starts servers that use all cores.
    integration) group "$1" 1 ;;
    asan) asan ;;
    cuda) cuda ;;
    all) for each in unit model integration asan cuda; do run_group "$each"; done ;;
    *) die "unknown group $1; want all, unit, model, integration, asan or cuda" ;;
  esac
}

export GIST_TESTS=ON
timed "setup" deploy/setup.sh tests
timed "tools" deploy/tools.sh
mkdir -p build/log
for name in "${@:-all}"; do run_group "$name"; done

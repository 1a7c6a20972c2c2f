#!/usr/bin/env bash
# Installs, builds and runs the tests; the last line says how many passed. Prints what each
# part took, the ten slowest tests, and fails over the budget of tests/budget.py where that
# applies: on two idle cores, with a warm compiler cache.
# usage: tests/run.sh [all|unit|model|integration|asan|cuda]...    default: all
#   unit         without weights; seconds once built; reads the deployment too
#   model        the model's arithmetic against golden values
#   integration  a real server with the real model; a real Prometheus that watches one
#   asan         the server and below, without LibTorch, under AddressSanitizer and UBSan
#   cuda         compiles and links libgist_cuda.so where nvcc is found; runs nothing
# Exit status: 0 if tests ran, all passed and no part was over its budget.
# shellcheck source-path=SCRIPTDIR source=../deploy/lib.sh
. "$(dirname "$(readlink -f "$0")")/../deploy/lib.sh"

passed=0
failed=0
skipped=0
notes=()
reports=()
parts=
cache_before="0 0"

# What the compiler cache found and what it did not, ever: two numbers.
cache_counts() {
  { ccache --print-stats 2>/dev/null || true; } | awk '
    $1 == "direct_cache_hit" || $1 == "preprocessed_cache_hit" { hits += $2 }
    $1 == "cache_miss" { misses += $2 }
    END { print hits + 0, misses + 0 }'
}

# Prints the times; a part over its budget counts as a failure.
report_times() {
  local before now
  [ -s "$parts" ] || return 0
  read -ra before <<<"$cache_before"
  read -ra now <<<"$(cache_counts)"
  [ "${#reports[@]}" -eq 0 ] || "$python" tests/budget.py slowest "${reports[@]}" || true
  "$python" tests/budget.py judge "$parts" "$((now[0] - before[0]))" \
    "$((now[1] - before[1]))" || failed=$((failed + 1))
}

# In every case, an error too, the last line is the summary.
finish() {
  local status=$?
  if [ "$status" -ne 0 ] && [ "$failed" -eq 0 ]; then failed=1; fi
  printf '\n'
  report_times
  [ "${#notes[@]}" -eq 0 ] || printf '%s\n' "${notes[@]}"
  [ "$skipped" -eq 0 ] || printf '%s skipped\n' "$skipped"
  printf '%s passed, %s failed\n' "$passed" "$failed"
  if [ "$failed" -ne 0 ] || [ "$passed" -eq 0 ]; then exit 1; fi
}
trap finish EXIT

# timed PART NAME COMMAND...: remembers its seconds for the summary. PART: one of the
# budget, or "-".
timed() {
  local part=$1 name=$2 start busy status=0
  shift 2
  busy=$("$python" tests/budget.py busy) || busy=0  # before setup there may be no Python
  start=$EPOCHREALTIME
  "$@" || status=$?
  printf '%s\t%s\t%s\t%s\n' "$part" "$(seconds_since "$start")" "$busy" \
    "$name$([ "$status" -eq 0 ] || echo ', FAILED')" >>"$parts"
  return "$status"
}

# run_ctest PRESET LABELS PARALLEL: adds what it reports to the counts. LABELS is a
# regular expression.
run_ctest() {
  local report=$root/build/log/ctest-$1-${2//[^a-z]/}.xml counts ok=0
  rm -f "$report"
  ctest --preset "$1" --label-regex "$2" --parallel "$3" --no-tests=error \
    --output-junit "$report" || ok=$?
  [ ! -e "$report" ] || reports+=("$report")
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
  timed builds "build release" deploy/build.sh release
  release_ready=1
}

# One group of release tests; a failing test does not stop the next group.
group() {
  build_release
  timed "$1" "$1 tests" run_ctest release "^$1\$" "$2" || true
}

asan() {
  timed builds "build asan" deploy/build.sh asan
  timed asan "asan tests" run_ctest asan '^(unit|model|integration)$' "$(nproc)" || true
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
    notes+=("cuda: not built, no nvcc on this machine")
    return
  fi
  timed - "compile and link cuda" build_cuda "$nvcc"
  passed=$((passed + 1))
  notes+=("cuda: compiled and linked, not run: one check")
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
mkdir -p build/log
parts=$root/build/log/parts.tsv
: >"$parts"
timed setup "setup" deploy/setup.sh tests
timed setup "tools" deploy/tools.sh
cache_before=$(cache_counts)
for name in "${@:-all}"; do run_group "$name"; done

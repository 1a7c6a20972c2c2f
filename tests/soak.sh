#!/usr/bin/env bash
# The long versions of tests that break things: run for a release or a night, not for a change.
# usage: tests/soak.sh NAME...
#   kill     300 rounds of a server that is killed while it compresses and deletes
#   flips    200 flipped bits in each stored artefact
#   power    100 power cuts that lose what was not synchronised
#   disk     100 rounds each of failing writes, failing reads, a full disk
#   wire     2,000 mutated calls, and all broken connections and messages
#   overload 60 s of three times the calls that the server can carry
#   slow-readers  120 s of readers that read one message a second
#   cancel   100 callers who leave in each stage, 20 killed clients, 100 deadlines
#   drain    50 times SIGTERM while 8 answers run and 8 calls wait
#   soak     GIST_SOAK_SECONDS (1800) of 4 clients who do all that there is: memory, files, threads
#   tsan     queue, scheduler, caches, drain and callers who leave under ThreadSanitizer
#   fuzz     each fuzzer for GIST_FUZZ_SECONDS (60) under AddressSanitizer and UBSan; needs clang
# Each prints a line "figure: ..." for what it found; docs/reliability.md holds them.
# GIST_SEED=N repeats a run; GIST_PRESET (release) names the build; GIST_SOAK_ROUNDS overrides a
# number of rounds. Exit status: 0 if all that was asked for passed.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
preset=${GIST_PRESET:-release}
build=build/$preset

# faults ROUNDS TEST FILTER: runs a test of tests/faults for so many rounds.
faults() {
  local program=$build/tests/faults/faults_$2_test log status=0
  [ -x "$program" ] || cmake --build "$build" --target "faults_$2_test"
  log=$(mktemp)
  GIST_SOAK_ROUNDS=${GIST_SOAK_ROUNDS:-$1} "$program" --gtest_filter="$3" >"$log" 2>&1 || status=$?
  grep -E '^(figure:|GIST_SEED=)' "$log" || true
  if [ "$status" -ne 0 ]; then
    cat "$log" >&2
    printf 'failed: %s %s\n' "$2" "$3" >&2
  fi
  rm -f "$log"
  return "$status"
}

# A line for each fuzzer: runs, coverage, crashes. What it found stays in build/fuzz/found.
fuzz() {
  local source name seconds=${GIST_FUZZ_SECONDS:-60} log status=0
  [ -f build/fuzz/build.ninja ] || cmake --preset fuzz
  for source in tests/fuzz/*_fuzz.cc; do
    name=$(basename "$source" .cc)
    cmake --build build/fuzz --target "$name"
    mkdir -p "build/fuzz/found/$name"
    log=build/fuzz/$name.log
    "build/fuzz/tests/fuzz/$name" -max_total_time="$seconds" -rss_limit_mb=512 -timeout=5 \
      -print_final_stats=1 -artifact_prefix="build/fuzz/found/$name." \
      "build/fuzz/found/$name" "tests/fuzz/corpus/${name%_fuzz}" >"$log" 2>&1 || status=1
    printf 'figure: %s: %s s, %s runs, %s edges, peak %s MB, %s findings\n' "$name" "$seconds" \
      "$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")" \
      "$(grep -o 'cov: [0-9]*' "$log" | tail -1 | cut -d' ' -f2)" \
      "$(sed -n 's/^stat::peak_rss_mb: *//p' "$log")" \
      "$(find build/fuzz/found -maxdepth 1 -name "$name.*" -type f | wc -l)"
  done
  return "$status"
}

# What runs in threads, under ThreadSanitizer, a few rounds each. The load is left out: there
# times are the point, and here they are not the server's.
tsan() {
  local each log reports=0 passed=0 status=0
  local tests=(server_scheduler_test server_sequence_cache_test server_compress_test
    server_ask_test server_jobs_test faults_load_test faults_drain_test)
  [ -f build/tsan/build.ninja ] || cmake --preset tsan || return
  cmake --build build/tsan --target "${tests[@]}" || return
  log=$(mktemp)
  for each in "${tests[@]}"; do
    TSAN_OPTIONS="suppressions=$PWD/tests/tsan.supp history_size=4" \
      GIST_SOAK_ROUNDS=${GIST_SOAK_ROUNDS:-5} "build/tsan/tests/${each%%_*}/$each" \
      --gtest_filter=-OverloadTest.* >"$log" 2>&1 || { status=1 && cat "$log" >&2; }
    passed=$((passed + $(grep -c '^\[       OK' "$log" || true)))
    reports=$((reports + $(grep -c '^WARNING: ThreadSanitizer' "$log" || true)))
  done
  rm -f "$log"
  printf 'figure: tsan: %s tests passed, %s reports\n' "$passed" "$reports"
  return "$status"
}

run() {
  case $1 in
    kill) faults 300 kill_loop '*' ;;
    flips) faults 200 bit_flips '*' ;;
    power) faults 100 file_system '*PowerCut*' ;;
    disk) faults 100 file_system 'Faults/*:*Space*:*FullDisk*' ;;
    wire) faults 2000 malformed_wire '*' ;;
    overload) GIST_OVERLOAD_SECONDS=${GIST_OVERLOAD_SECONDS:-60} faults 1 load 'OverloadTest.*' ;;
    slow-readers) faults 120 load '*SlowReaders*' ;;
    cancel)
      faults 100 load 'CancelTest.*:*Deadlines*' || return
      faults 20 killed_clients '*'
      ;;
    drain) faults 50 drain '*' ;;
    soak) GIST_SOAK_SECONDS=${GIST_SOAK_SECONDS:-1800} faults 1 soak '*' ;;
    tsan) tsan ;;
    fuzz) fuzz ;;
    *)
      printf 'unknown: %s; see tests/soak.sh\n' "$1" >&2
      return 2
      ;;
  esac
}

if [ $# -eq 0 ]; then
  sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0"
  exit 2
fi
failed=0
for name in "$@"; do
  start=$SECONDS
  run "$name" || failed=1
  printf '%s: %s s%s\n' "$name" $((SECONDS - start)) "$([ "$failed" -eq 0 ] || echo ', FAILED')"
done
exit "$failed"

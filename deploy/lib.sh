# Shared by the scripts here and in tests/: sourced, not run. Leaves the shell in
# the repository root, with steps that say how long they took.
# shellcheck shell=bash disable=SC2034  # the sourcing scripts use root, python
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
root=$PWD
# Debian's own: another python3 on PATH may have no pip.
python=/usr/bin/python3

die() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

# take_options "NAME..." --NAME VALUE...: sets the variables of these names.
take_options() {
  local known=" $1 "
  shift
  while [ $# -gt 0 ]; do
    [[ $1 == --* && $known == *" ${1#--} "* ]] ||
      die "unknown option $1; the head of $0 lists them"
    [ $# -ge 2 ] || die "$1 wants a value"
    declare -g "${1#--}=$2"
    shift 2
  done
}

# first_context FILE: the text of the first sample in a file of them.
first_context() {
  "$python" -c 'import json, sys; print(json.loads(open(sys.argv[1]).readline())["context"])' "$1"
}

# step TITLE COMMAND...: runs it, prints the title and the seconds, returns its status.
# As a part of a condition the command does not stop at its first error: a function
# given here says `|| return` itself.
step() {
  local title=$1 start=$EPOCHREALTIME status=0
  shift
  printf '== %s\n' "$title"
  "$@" || status=$?
  printf '   %s: %s s%s\n' "$title" "$(seconds_since "$start")" \
    "$([ "$status" -eq 0 ] || echo ', FAILED')"
  return "$status"
}

seconds_since() {
  awk -v a="$1" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.1f", b - a }'
}

# logged LOG COMMAND...: its output goes to LOG; the last line of it is shown while it
# runs, and its end if it fails.
logged() {
  local log=$1 status=0 ticker
  shift
  mkdir -p "$(dirname "$log")"
  : >"$log"
  show_last_line "$log" &
  ticker=$!
  "$@" >"$log" 2>&1 </dev/null || status=$?
  kill "$ticker" 2>/dev/null || true
  wait "$ticker" 2>/dev/null || true
  [ ! -t 1 ] || printf '\r\033[K'
  if [ "$status" -ne 0 ]; then
    tail -n 25 "$log" >&2
    printf 'failed (status %s): %s\n   the whole output: %s\n' "$status" "$*" "$log" >&2
  fi
  return "$status"
}

show_last_line() {
  local pause=10 start=$SECONDS line
  [ ! -t 1 ] || pause=0.5
  while sleep "$pause" && kill -0 $$ 2>/dev/null; do  # ends with this script
    line=$(tail -n 1 "$1" | tr -d '\r' | cut -c -66)
    if [ -t 1 ]; then
      printf '\r\033[K   %d s  %s' "$((SECONDS - start))" "$line"
    else
      printf '   %d s  %s\n' "$((SECONDS - start))" "$line"
    fi
  done
}

# Compilers at a time: one a core, each with 2 GiB of memory. GIST_JOBS overrides.
jobs_for_machine() {
  local jobs gib limit
  jobs=$(nproc)
  gib=$(sed -n 's/^MemAvailable: *\([0-9]*\) kB/\1/p' /proc/meminfo)
  gib=$((gib >> 20))
  limit=$(cat /sys/fs/cgroup/memory.max 2>/dev/null || echo max)
  if [ "$limit" != max ] && [ "$((limit >> 30))" -lt "$gib" ]; then gib=$((limit >> 30)); fi
  if [ "$jobs" -gt "$((gib / 2))" ]; then jobs=$((gib / 2)); fi
  if [ "$jobs" -lt 1 ]; then jobs=1; fi
  echo "${GIST_JOBS:-$jobs}"
}

# start_server FOLDER LOG [FLAG...]: starts gistd, of $build or build/release, on a free
# loopback port with its data in FOLDER, and returns when it is ready; if it ends instead,
# shows why.
# Sets server_pid, and GIST_SERVER for gist.
server_pid=
server_log=
start_server() {
  local start=$SECONDS folder=$1 log=$2
  shift 2
  server_log=$log
  mkdir -p "$folder" "$(dirname "$log")"
  : >"$log"
  "${build:-build/release}/gistd" --listen 127.0.0.1:0 --admin off --drain-seconds 0 --data-dir "$folder" "$@" \
    >"$log" 2>&1 &
  server_pid=$!
  until grep -q 'gistd ready' "$log"; do
    if ! kill -0 "$server_pid" 2>/dev/null; then
      cat "$log" >&2
      server_pid=
      die "gistd did not start: see above"
    fi
    [ $((SECONDS - start)) -lt "${start_limit:-120}" ] ||
      die "gistd is not ready after ${start_limit:-120} s; its log: $log"
    sleep 0.1
  done
  GIST_SERVER=$(sed -n 's/.*gistd ready listen=\([^ ]*\).*/\1/p' "$log")
  export GIST_SERVER
}

# SIGTERM lets gistd finish and flush; this waits until it has.
stop_server() {
  [ -n "$server_pid" ] || return 0
  kill -TERM "$server_pid" 2>/dev/null || true
  wait "$server_pid" || echo "gistd ended with status $?; see $server_log" >&2
  server_pid=
}

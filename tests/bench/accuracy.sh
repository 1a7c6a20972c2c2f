#!/usr/bin/env bash
# Passkey accuracy of the default adapter on tests/data/passkey: from the gists, from
# the full text, and from two and four documents joined. Makes README's table.
# usage: tests/bench/accuracy.sh     some minutes on two cores
# shellcheck source-path=SCRIPTDIR source=../../deploy/lib.sh
. "$(dirname "$(readlink -f "$0")")/../../deploy/lib.sh"

bin=build/release
work=$(mktemp -d)
server_pid=
clean_up() {
  [ -z "$server_pid" ] || { kill -TERM "$server_pid" && wait "$server_pid"; } || true
  rm -rf "$work"
}
trap clean_up EXIT

deploy/build.sh release gistd gist_accuracy >&2
"$bin/gistd" --listen 127.0.0.1:0 --admin off --data-dir "$work/data" 2>"$work/log" &
server_pid=$!
until grep -q 'gistd ready' "$work/log"; do
  kill -0 "$server_pid" 2>/dev/null || { cat "$work/log" >&2; die "gistd did not start"; }
  sleep 0.1
done
address=$(sed -n 's/.*gistd ready listen=\([^ ]*\).*/\1/p' "$work/log")
sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo | uniq -c | sed 's/^ */cores: /'
"$bin/gist_accuracy" "$address" tests/data/passkey/contexts.jsonl

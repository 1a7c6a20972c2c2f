#!/usr/bin/env bash
# Passkey accuracy of the default adapter on tests/data/passkey: from the gists, from
# the full text, and from two and four documents joined. Makes README's table.
# usage: tests/bench/accuracy.sh     some minutes on two cores
# shellcheck source-path=SCRIPTDIR source=../../deploy/lib.sh
. "$(dirname "$(readlink -f "$0")")/../../deploy/lib.sh"

work=$(mktemp -d)
clean_up() {
  stop_server
  rm -rf "$work"
}
trap clean_up EXIT

deploy/build.sh release gistd gist_accuracy >&2
start_server "$work/data" "$work/log"
sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo | uniq -c | sed 's/^ */cores: /'
build/release/gist_accuracy "$GIST_SERVER" tests/data/passkey/contexts.jsonl

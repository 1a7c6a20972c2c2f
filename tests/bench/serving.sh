#!/usr/bin/env bash
# How a server with the default model does under load: the first token of a question
# alone and while a text of 8,000 tokens is read (wanted: p95 of at most 1.5 times as long
# and 150 ms more), and answers at a time (wanted: 8 give 3 times the tokens/s of 1).
# usage: tests/bench/serving.sh [FLAG of gist_serving...]
# shellcheck source-path=SCRIPTDIR source=../../deploy/lib.sh
. "$(dirname "$(readlink -f "$0")")/../../deploy/lib.sh"

out=build/serving
deploy/build.sh release gistd gist gist-data gist_serving >&2
mkdir -p "$out"
if [ ! -e "$out/long/whole" ]; then
  build/release/gist data niah --language en --tokens 8000 --count 1 --force --out "$out/long" >&2
  first_context "$out"/long/*.jsonl >"$out/long.txt"
  touch "$out/long/whole"
fi
trap stop_server EXIT
rm -rf "$out/db"
start_server "$out/db" "$out/gistd.log" --embedder off
build/release/gist_serving --document deploy/sample/document.txt --reading "$out/long.txt" "$@"

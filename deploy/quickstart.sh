#!/usr/bin/env bash
# From a fresh clone to an answer: installs, builds, starts gistd on a free loopback
# port, compresses deploy/sample/document.txt, asks it a question from the gists and
# from the full text, shows what each took, and stops the server.
# usage: deploy/quickstart.sh      its data stays in build/quickstart-data
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

bin=build/release
data=build/quickstart-data
log=build/log/gistd.log
work=$(mktemp -d)

clean_up() {
  stop_server
  rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

start() {
  start_server "$data" "$log"
  echo "   gistd listens on $GIST_SERVER; data in $data, log in $log"
}

# ask MODE ID QUESTION: the reply as JSON, for the table.
ask() {
  "$bin/gist" --json ask --mode "$1" --max-tokens 64 "$2" "$3" >"$work/$1.json" || {
    cat "$work/$1.json" >&2
    return 1
  }
}

compress() {
  "$bin/gist" --json compress deploy/sample/document.txt >"$work/compress.json" || {
    cat "$work/compress.json" >&2
    return 1
  }
}

context_id() {
  "$python" -c 'import json, sys; print(json.load(open(sys.argv[1]))["context_id"])' \
    "$work/compress.json"
}

step "setup" deploy/setup.sh
step "build" env GIST_TESTS=OFF deploy/build.sh release gistd gist
question=$(cat deploy/sample/question.txt)
step "start gistd" start
step "compress deploy/sample/document.txt" compress
id=$(context_id)
step "ask from the gists" ask gist "$id" "$question"
step "ask from the full text" ask full "$id" "$question"
"$python" deploy/show_quickstart.py "$work" "$question"
step "stop gistd" stop_server
cat <<NEXT

To go on, start the server and ask it something of your own:
  $bin/gistd --data-dir $data &
  $bin/gist ask --mode rag --answer-adapter on $id "What is the name of the cat?"
  $bin/gist compress FILE
  $bin/gist contexts list
NEXT

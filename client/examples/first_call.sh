#!/bin/sh
# A first script: compresses a document and asks one question.
# usage: first_call.sh FILE "QUESTION"     gistd listens on 127.0.0.1:50051
set -eu
PATH="$(dirname "$0")/../../build/release:$PATH"
# [readme]
id=$(gist compress "$1")
gist ask "$id" "$2"
# [/readme]

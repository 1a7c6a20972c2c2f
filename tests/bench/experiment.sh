#!/usr/bin/env bash
# The experiment: gists, full context, passages and both, side by side, on documents that no
# adapter saw, with the answer adapter off and on. Started again with the same --out it goes on
# where it was; stopped early, it has asked of each file alike.
# usage: tests/bench/experiment.sh [OPTION...]
#   --out DIR       default: tests/bench/experiment
#   --parts LIST    of these, in this order; default: all
#     costs         memory and times: 5 documents a language, one question at a time
#     short         1,024 tokens, all frames that the adapter knows, 10, 25 and 50 gists, answer
#                   adapter off and on: 100 documents a language
#     answers       every mode, answer adapter off and on, 10 gists: 200 English and 200 Korean
#                   documents of 2,000 to 8,000 tokens, the mission's question
#     gists         25 and 50 gists, the first 100 of them a language
#     dense         passages that the encoder alone ranks, the same documents; in all other parts
#                   the question's words help to find them
#     worded        no answer adapter, full text and passages, the first 50 of them a language, in
#                   the wording that the base model reads best (tests/bench/prompts.sh)
#     keyed         several facts; absent: facts that are not there; overview: questions about the
#                   whole document: 50 each a language, 1,024 tokens
#   --minutes N     stop each part after so long; default: when it is done
#   --passkeys N    documents of a language, default 200
#   --weights HOW   of gistd, default float32
#   --device NAME   of gistd, default cpu
#   --servers N     gistd's side by side that share the documents out, for a GPU that one leaves
#                   idle (with NVIDIA's MPS; times then say little), default 1
#   --build DIR     what was built elsewhere, say build/cuda; default: builds build/release
# Makes PART.json.zst and PART.html for each, and samples under DIR/data. The repository keeps
# PART.json.zst: `gist eval --from DIR/PART.json.zst --html FILE` draws the report again.
# shellcheck source-path=SCRIPTDIR source=../../deploy/lib.sh
. "$(dirname "$(readlink -f "$0")")/../../deploy/lib.sh"

out=tests/bench/experiment parts=costs,short,answers,gists,dense,worded,keyed,absent,overview minutes=0 passkeys=200
weights=float32 device=cpu servers=1 build=
take_options "out parts minutes passkeys weights device servers build" "$@"

# samples NAME OPTION...: files of samples, made once. Sets `datasets`.
samples() {
  local folder=$out/data/$1 file
  shift
  datasets=()
  if [ ! -e "$folder/whole" ]; then
    "$build/gist" data niah --filler debian --split test --force --out "$folder" "$@" >&2
    touch "$folder/whole"
  fi
  for file in "$folder"/*.jsonl; do datasets+=(--dataset "$file"); done
}

# reword INSTRUCTION: the same samples, with that in front of their questions. Sets `datasets`.
reword() {
  local file files=()
  mkdir -p "$out/data/worded"
  for file in "${datasets[@]}"; do
    [ "$file" != --dataset ] || continue
    sed "s/\"question\":\"/&$1 /" "$file" >"$out/data/worded/${file##*/}"
    files+=(--dataset "$out/data/worded/${file##*/}")
  done
  datasets=("${files[@]}")
}

# evaluate PART OPTION...: asks what is not in PART.json.zst yet. Being stopped is no error.
evaluate() {
  local part=$1 status=0
  shift
  timeout --signal INT "$((minutes * 60))" "$build/gist" eval "${datasets[@]}" "$@" \
    "${replicas[@]}" --max-tokens 32 --out "$out/$part.json.zst" \
    --html "$out/$part.html" || status=$?
  case $status in
    0 | 124 | 130) ;;
    *) return "$status" ;;
  esac
}

if [ -z "$build" ]; then
  build=build/release
  deploy/build.sh release gistd gist gist-data >&2
fi
mkdir -p "$out"
pids=() addresses=() replicas=()
trap 'stop_server; for server_pid in "${pids[@]}"; do stop_server; done' EXIT
for ((i = 0; i < servers; ++i)); do
  start_server "$out/db/$i" "$out/gistd-$i.log" --weights "$weights" --device "$device" \
    --max-cached-kv-bytes $((4000000000 / servers))
  pids+=("$server_pid") addresses+=("$GIST_SERVER") server_pid=
done
export GIST_SERVER=${addresses[0]}
[ "$servers" -eq 1 ] || replicas=(--replicas "$(IFS=, && echo "${addresses[*]:1}")")
for part in ${parts//,/ }; do
  samples passkey --count "$passkeys" --seed 1
  case $part in
    costs)
      samples costs --count 5 --seed 2
      evaluate costs --modes gist,full,rag,hybrid --gists 10
      ;;
    short)
      samples short --frames train --tokens 1024 --count 100 --seed 4
      evaluate short --modes gist,full,rag --gists 10,25,50 --answer-adapters off,on \
        --concurrency 2
      ;;
    answers)
      evaluate answers --modes gist,full,rag,hybrid --gists 10 --answer-adapters off,on \
        --concurrency 2
      ;;
    dense)
      evaluate dense --modes rag --ranking dense --answer-adapters on --concurrency 2
      ;;
    worded)
      reword "Answer with the value alone."
      evaluate worded --modes full,rag --answer-adapters off --limit 50 --concurrency 2
      ;;
    gists)
      evaluate gists --modes gist --gists 25,50 --answer-adapters off,on --limit 100 --concurrency 4
      ;;
    keyed | absent | overview)
      samples "$part" --family "$part" --frames train --tokens 1024 --count 100 --seed 3
      evaluate "$part" --modes gist,full,rag --gists 10 --answer-adapters off,on --limit 50 \
        --concurrency 8
      ;;
    *) die "--parts: unknown part $part" ;;
  esac
done

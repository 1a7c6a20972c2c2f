#!/usr/bin/env bash
# Which gists should see what: trains one adapter a layout from nothing, all with the
# same steps, samples and seed, and scores each by greedy generation. The last one has
# LoRA on every token, which reads each text anew: the first stage of it alone. Makes
# the table of docs/training.md.
# usage: tests/bench/layouts.sh OUT_FOLDER [THREADS]
# About 10 minutes of one core a layout; started again, it goes on where it was.
# shellcheck source-path=SCRIPTDIR source=../../deploy/lib.sh
. "$(dirname "$(readlink -f "$0")")/../../deploy/lib.sh"

out=${1:?usage: tests/bench/layouts.sh OUT_FOLDER [THREADS]}
threads=${2:-1}
preset=tests/bench/layouts.yaml

# train NAME SETTING...: one layout.
train() {
  local name=$1 settings=() setting steps=0
  shift
  [ "$name" != everywhere ] || steps=120
  for setting in "$@"; do settings+=(--set "$setting"); done
  echo "   $name" >&2
  build/release/gist-train --preset "$preset" --out "$out/$name" --filler debian \
    --language en:85 --language ko:15 --mission-share 0.5 --threads "$threads" \
    --steps "$steps" \
    "${settings[@]}" >>"$out/$name.log"
}

# Scores by the stage's length: "exact / characters" of English and Korean.
row() {
  local score
  score=$(score_of "$1" "$2")
  echo "${score:-- | -}"
}
score_of() {
  sed -nE "s/^step [0-9]+  dev accuracy .*  $2 tokens; en: exact [0-9/]+ = ([0-9.]+) %, characters ([0-9.]+) %; ko: exact [0-9/]+ = ([0-9.]+) %, characters ([0-9.]+) %.*/\1 % \/ \2 % | \3 % \/ \4 %/p" \
    "$out/$1.log" | tail -n 1
}

deploy/build.sh release gist-train >&2
mkdir -p "$out"
train all layout.gists_per_block=10
train five layout.gists_per_block=5
train two layout.gists_per_block=2
train one layout.gists_per_block=1
train five_mlp layout.gists_per_block=5 layout.lora_mlp=true
train everywhere layout.gists_per_block=5 layout.lora_everywhere=true
sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo | uniq -c | sed 's/^ */cores: /'
echo "| layout | EN 256 | KO 256 | EN 1,024 | KO 1,024 | EN 4,096 | KO 4,096 |"
echo "|---|---|---|---|---|---|---|"
for name in all five two one five_mlp everywhere; do
  echo "| $name | $(row "$name" 256) | $(row "$name" 1024) | $(row "$name" 4096) |"
done

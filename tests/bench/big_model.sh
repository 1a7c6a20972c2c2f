#!/usr/bin/env bash
# Loads, reads, answers and trains with a model of random weights in the shape of 8B in Q4_K
# (4.5 GB), and prints the memory and the seconds of each. Wanted: at most 20 GB.
# usage: tests/bench/big_model.sh [--out FOLDER] [--layers N]
#   default: build/big_model, all 32 layers: 5 GB of disk, about half an hour of two cores
# shellcheck source-path=SCRIPTDIR source=../../deploy/lib.sh
. "$(dirname "$(readlink -f "$0")")/../../deploy/lib.sh"

out=build/big_model
layers=32
take_options "out layers" "$@"
model=$out/random-$layers.gguf
readme=README.md  # its first bytes are the document: without merges a byte is a token
deploy/build.sh release gistd gist gist-train >&2
mkdir -p "$out"
[ -e "$model" ] || "$python" tests/bench/big_model.py "$model" --layers "$layers"

# Most memory resident so far, in GB of 1,000 MB.
peak() {
  awk '/VmHWM/ { printf "%.1f GB", $2 * 1024 / 1e9 }' "/proc/$1/status"
}

# measured TITLE COMMAND...: its seconds, and the server's peak after it.
measured() {
  local title=$1 start=$EPOCHREALTIME
  shift
  "$@" >"$out/answer" 2>&1 || { cat "$out/answer" >&2; die "$title: $*"; }
  printf '%-44s %8s s  peak %s\n' "$title" "$(seconds_since "$start")" "$(peak "$server_pid")"
}

trap stop_server EXIT
rm -rf "$out/db" "$out/train"
start_limit=900  # seconds; a cold file of 4.6 GB
start=$EPOCHREALTIME
start_server "$out/db" "$out/gistd.log" --model "$model" --weights quantized --adapter off \
  --answer-adapter off --embedder off
printf '%-44s %8s s  peak %s\n' "start to ready" "$(seconds_since "$start")" "$(peak "$server_pid")"
head -c 512 "$readme" >"$out/document.txt"
context=$(build/release/gist add "$out/document.txt" 2>/dev/null)
measured "512 tokens read, 1 answered" build/release/gist ask "$context" --mode full \
  --max-tokens 1 "What is this?"
measured "512 tokens read, 9 answered" build/release/gist ask "$context" --mode full \
  --max-tokens 9 "What is this?"
stop_server

cat >"$out/recipe.yaml" <<'YAML'
name: one step
layout: {gist_tokens: 4, gists_per_block: 4, segment_tokens: 128, max_document_tokens: 256, lora_r: 8, lora_alpha: 16}
stages: [{name: all, steps: 1, min_tokens: 128, max_tokens: 256}]
documents_per_step: 1
fresh_segments_per_step: 1
cached_segments: 4
dev_samples: 0
evaluate_every_steps: 0
checkpoint_every_steps: 1
YAML
"$python" - build/release/gist-train --model "$model" --weights quantized --preset "$out/recipe.yaml" \
  --out "$out/train" --log-every 1 <<'PYTHON'
import resource, subprocess, sys, time
start = time.monotonic()
subprocess.run(sys.argv[1:], check=True, stdout=sys.stderr)
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / 1e9
print(f"{'one training step, start and end included':44} {time.monotonic() - start:8.1f} s  peak {peak:.1f} GB")
PYTHON

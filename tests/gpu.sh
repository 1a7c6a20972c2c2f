#!/usr/bin/env bash
# A GPU against the processor, with the same files: losses of training, answers in three
# modes. Then what the GPU takes for texts of three lengths, times and memory.
# usage: tests/gpu.sh [--build DIR] [--device NAME]
#   --build    holds gistd, gist, gist-train; default: build/cuda
#   --device   default: cuda:0
# Exit status: 0 if losses agree within 0.5 % and 9 of 10 answers are the same.
# shellcheck source-path=SCRIPTDIR source=../deploy/lib.sh
. "$(dirname "$(readlink -f "$0")")/../deploy/lib.sh"

build=build/cuda device=cuda:0
take_options "build device" "$@"
for program in gistd gist gist-train gist-data; do
  [ -x "$build/$program" ] || die "no $build/$program: deploy/setup.sh cuda, deploy/build.sh cuda"
done
out=build/gpu
rm -rf "$out"
mkdir -p "$out"
trap stop_server EXIT

# losses SIDE DEVICE NAME FLAG...: of each step, to a file. A side is "processor" or "gpu".
losses() {
  local on=$1 device=$2 name=$3
  shift 3
  "$build/gist-train" --device "$device" --out "$out/$name-$on" --log-every 1 "$@" >"$out/$name-$on.log"
  sed -n 's/.*step \([0-9]*\)\/.* loss \([0-9.]*\) .*/\1 \2/p' "$out/$name-$on.log" >"$out/$name-$on.losses"
}

# answers SIDE DEVICE: to ten questions in each mode.
answers() {
  start_server "$out/db-$1" "$out/gistd-$1.log" --device "$2"
  "$build/gist" eval --dataset "$out/samples/global_niah.jsonl" --modes gist,full,rag --max-tokens 16 \
    --out "$out/answers-$1.json" >"$out/eval-$1.log" 2>&1
  stop_server
}

cat >"$out/small.yaml" <<'YAML'
name: small
seed: 3
layout: {gist_tokens: 6, gists_per_block: 2, block_overlap_tokens: 16, segment_tokens: 128, lora_r: 4, lora_alpha: 8, lora_mlp: true}
gist_counts: [6, 4, 2]
stages: [{name: small, steps: 12, min_tokens: 300, max_tokens: 1024}]
documents_per_step: 4
fresh_segments_per_step: 4
cached_segments: 96
dev_samples: 4
YAML
"$build/gist" data niah --language en --tokens 1024 --count 10 --force --out "$out/samples" >/dev/null
for length in 1024 4096 8000; do
  "$build/gist" data niah --language en --tokens "$length" --count 1 --force --out "$out/$length" >/dev/null
  first_context "$out/$length/global_niah.jsonl" >"$out/$length.txt"
done
for on in processor gpu; do
  where=$device
  [ "$on" = gpu ] || where=cpu
  step "train a tiny model on $where" losses "$on" "$where" tiny --preset "$out/small.yaml" --model tests/data/tiny/tiny.f32.gguf
  step "train the default model on $where" losses "$on" "$where" default --preset "$out/small.yaml" --steps 3 --start adapters/default \
    --set layout.lora_r=24 --set layout.lora_alpha=48 --set layout.gists_per_block=5 --set layout.segment_tokens=256
  step "30 answers on $where" answers "$on" "$where"
done
"$python" - "$out" <<'PYTHON'
import json, sys

out = sys.argv[1]
sides = "processor", "gpu"
for name in "tiny", "default":
    pairs = [[float(line.split()[1]) for line in open(f"{out}/{name}-{on}.losses")] for on in sides]
    assert pairs[0] and len(pairs[0]) == len(pairs[1]), f"{name}: {len(pairs[0])} and {len(pairs[1])} losses"
    # Three decimals are printed.
    worst = max(abs(a - b) / max(a, 0.1) for a, b in zip(*pairs))
    print(f"{name} model, {len(pairs[0])} losses: at most {100 * worst:.2f} % apart")
    assert worst < 0.005, "the losses differ"
answers = []
for on in sides:
    results = json.load(open(f"{out}/answers-{on}.json"))
    answers.append({(r["sample"], r["mode"]): r["answer"] for r in results["records"]})
assert answers[0].keys() == answers[1].keys() and len(answers[0]) == 30, "an answer is missing"
same = sum(answers[0][key] == answers[1][key] for key in answers[0])
print(f"answers: {same} of 30 the same")
assert same >= 27, "the answers differ"
PYTHON
start_server "$out/db" "$out/gistd.log" --device "$device"
for length in 1024 4096 8000; do
  id=$("$build/gist" compress "$out/$length.txt")
  "$build/gist" compare "$id" "What is the secret passkey?" --max-tokens 16 >/dev/null
  "$build/gist" compare "$id" "What is the secret passkey?" --max-tokens 16 | cut -c -100
done

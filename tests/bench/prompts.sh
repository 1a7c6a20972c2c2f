#!/usr/bin/env bash
# Wordings of the same question against each other, in each mode, with the answer adapter off and on, on dev
# samples of 512 tokens. Started again it goes on; stopped early, it has asked each wording
# alike. Prints how many answers hold the value.
# usage: tests/bench/prompts.sh [OUT [COUNT]]     default: build/prompts, 24 a language
# shellcheck source-path=SCRIPTDIR source=../../deploy/lib.sh
. "$(dirname "$(readlink -f "$0")")/../../deploy/lib.sh"

out=${1:-build/prompts} count=${2:-24}
deploy/build.sh release gistd gist gist-data >&2
if [ ! -e "$out/data/whole" ]; then
  build/release/gist data niah --filler debian --split dev --tokens 512 --count "$count" --seed 51 \
    --force --out "$out/data" >&2
  touch "$out/data/whole"
fi
"$python" - "$out" <<'PYTHON'
import json, sys

out = sys.argv[1]
WORDINGS = {
    "bare": "{}",
    "value": "Answer with the value alone. {}",
    "question": "Question: {}\nAnswer from the text above, in as few words as possible.",
    "only": "{} Reply with only the answer.",
    "copy": "{}\nCopy the answer from the text above, word for word, and nothing else.",
    "based": "Based on the text above, answer this question. Give only the answer and no explanation.\n{}",
}
for language in "global", "korean":
    samples = [json.loads(line) for line in open(f"{out}/data/{language}_niah.jsonl")]
    for name, wording in WORDINGS.items():
        with open(f"{out}/{language}-{name}.jsonl", "w") as file:
            for sample in samples:
                asked = {**sample, "question": wording.format(sample["question"])}
                file.write(json.dumps(asked, ensure_ascii=False) + "\n")
PYTHON
datasets=()
for file in "$out"/*.jsonl; do datasets+=(--dataset "$file"); done
trap stop_server EXIT
start_server "$out/db" "$out/gistd.log" --max-cached-kv-bytes 2000000000
build/release/gist eval "${datasets[@]}" --modes full,rag,gist --answer-adapters off,on --max-tokens 32 \
  --out "$out/results.json" >&2
"$python" - "$out/results.json" <<'PYTHON'
import collections, json, sys

right = collections.defaultdict(list)
for record in json.load(open(sys.argv[1]))["records"]:
    wording = record["dataset"].split("-")[1].removesuffix(".jsonl")
    right[record["mode"], record["answer_adapter"], wording].append(record["scores"]["containment"])
for (mode, answer_adapter, wording), scores in sorted(right.items()):
    print(f"{mode:5} {answer_adapter:3} {wording:9} {sum(scores):.0f} of {len(scores)}")
PYTHON

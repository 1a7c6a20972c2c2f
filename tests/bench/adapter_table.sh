#!/usr/bin/env bash
# The table of an adapter's accuracy: makes documents that it never saw, asks a real
# server about them, and writes results.jsonl, table.md and heatmap.svg. Started again
# with the same --out it goes on where it was, or from results.jsonl.zst: the repository
# keeps results in that form (`zstd -19 results.jsonl`).
# usage: tests/bench/adapter_table.sh [OPTION...]
#   --out DIR        default: build/adapter_table; relative to the repository
#   --quick          10 documents of 1,024 tokens a language, 10 gists: minutes
#   --adapter DIR    default: adapters/default
#   --gists LIST     default: 10,25,50
#   --lengths LIST   default: 1024,2048,4096,8000
#   --count N        samples a cell, default 100 (half of it at 8,000 tokens and more)
#   --controls N     of those, how many the controls are asked of, default 40
#   --sets LIST      default: in-family,held-out,families
#   --weights HOW    of gistd, default bfloat16 where the processor has products of it,
#                    else float32
#   --device NAME    of gistd, default cpu
#   --build DIR      what was built elsewhere, say build/cuda; default: builds build/release
#   --seed N         of the documents, default 7
#   --filler WHERE   text around the needles, as gist data niah takes it: default debian,
#                    the test part of texts that Debian packages carry
#   --data SET=FILE  samples of one's own, instead of those that are made
#   --sources LIST   what those are answered from, default: gists,full
# shellcheck source-path=SCRIPTDIR source=../../deploy/lib.sh
. "$(dirname "$(readlink -f "$0")")/../../deploy/lib.sh"

command_line="tests/bench/adapter_table.sh $*"
out=build/adapter_table adapter=adapters/default gists=10,25,50
lengths=1024,2048,4096,8000 count=100 seed=7 sources=gists,full filler=debian
controls=40 sets=in-family,held-out,families weights=float32 device=cpu build=
! grep -qw avx512_bf16 /proc/cpuinfo || weights=bfloat16
data=()
while [ $# -gt 0 ]; do
  case $1 in
    --quick) lengths=1024 gists=10 count=10 ;;
    --out | --adapter | --gists | --lengths | --count | --seed | --sources | \
      --filler | --controls | --sets | --weights | --device | --build)
      [ $# -ge 2 ] || die "$1 wants a value"
      declare "${1#--}=$2"
      shift
      ;;
    --data)
      [ $# -ge 2 ] || die "--data wants SET=FILE"
      data+=("$2")
      shift
      ;;
    *) die "unknown option $1; the head of $0 lists them" ;;
  esac
  shift
done

[[ $command_line == *--weights* ]] || command_line+=" --weights $weights"

# make_samples SET FRAMES FAMILY: documents in English and Korean, at each length, with
# needles of its own; those that are there already are kept. Sets `files`.
make_samples() {
  local length samples folder file
  files=()
  for length in ${lengths//,/ }; do
    samples=$count
    [ "$length" -lt 8000 ] || samples=$(((count + 1) / 2))
    folder=$out/data/$1-$3-$length-$samples-$((seed * 10000 + length))
    if [ ! -e "$folder/whole" ]; then
      "$build/gist" data niah --language both --family "$3" --frames "$2" \
        --split test --tokens "$length" --depths fifths --count "$samples" \
        --seed "$((seed * 10000 + length))" --filler "$filler" --force --out "$folder" >&2
      touch "$folder/whole"
    fi
    for file in "$folder"/*.jsonl; do files+=("$1=$file"); done
  done
}

# ask SOURCES SET=FILE...: adds their answers to the table.
ask() {
  local from=$1
  shift
  "$build/adapter_table" --out "$out" --lengths "$lengths" --gists "$gists" \
    --sources "$from" --controls "$controls" --command "$command_line" "$@"
}

if [ -z "$build" ]; then
  build=build/release
  targets=(gistd gist adapter_table)
  [ "${#data[@]}" -gt 0 ] || targets+=(gist-data)
  deploy/build.sh release "${targets[@]}" >&2
fi
mkdir -p "$out"
trap stop_server EXIT
start_server "$out/db" "$out/gistd.log" --adapter "$adapter" --weights "$weights" \
  --device "$device"

if [ "${#data[@]}" -gt 0 ]; then
  ask "$sources" "${data[@]}"
else
  for set in ${sets//,/ }; do
    case $set in
      in-family)
        make_samples in-family train passkey
        ask gists,none,other,first,last,random "${files[@]}"
        ;;
      held-out)
        make_samples held-out held-out passkey
        ask gists "${files[@]}"
        ;;
      families)
        for family in keyed absent overview; do
          make_samples in-family train "$family"
          ask gists "${files[@]}"
        done
        ;;
      *) die "--sets: unknown set $set" ;;
    esac
  done
fi
cat "$out/table.md"

#!/usr/bin/env bash
# Fails if the engine's main jobs lost more than 10 % of their speed since COMMIT.
# usage: tests/bench/compare.sh COMMIT [OPTION...]    compare.py --help lists the options
# Builds COMMIT in a work tree of its own below build/compare, then runs both engines in
# turns. A loss counts if three measurements of the job show it.
# shellcheck source-path=SCRIPTDIR source=../../deploy/lib.sh
. "$(dirname "$(readlink -f "$0")")/../../deploy/lib.sh"

case ${1:-} in
  "" | -*) exec "$python" tests/bench/compare.py --help ;;
esac
commit=$(git rev-parse --verify --quiet "$1^{commit}") || die "$1: no such commit here"
shift
tree=$root/build/compare/$commit
git cat-file -e "$commit:tests/bench/engine_bench.cc" 2>/dev/null ||
  die "$commit has no tests/bench/engine_bench.cc: want a commit that can be timed"

want_tree() {
  [ ! -e "$tree/CMakeLists.txt" ] || return 0
  mkdir -p "$root/build/compare"
  git worktree prune
  git worktree add --quiet --detach --force "$tree" "$commit" || return
  ln -sfn "$root/third_party" "$tree/third_party"
}

step "work tree of $commit" want_tree >&2
step "build $commit" env -C "$tree" GIST_TESTS=ON deploy/build.sh release gist_engine_bench >&2
deploy/build.sh release gist_engine_bench >&2
exec "$python" tests/bench/compare.py "$tree/build/release" build/release "$@"

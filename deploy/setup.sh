#!/usr/bin/env bash
# Installs what building needs: Debian packages, LibTorch, the default
# model and the sentence encoder.
# usage: deploy/setup.sh [cuda] [minilm] [tests]
#   cuda    LibTorch with CUDA too (3.0 GB)
#   minilm  the English sentence encoder too (84 MB)
#   tests   the packages that tests need too, and minilm
# Run again it changes nothing and takes about a second.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

# The packages of lists, one a line, without comments.
packages_in() {
  sed 's/#.*//' "$@" | xargs -n 1
}

missing_packages() {
  comm -23 <(packages_in "${lists[@]}" | sort -u) \
    <(dpkg-query -W -f '${db:Status-Status} ${Package}\n' | awk '$1 == "installed" { print $2 }' | sort -u)
}

install_packages() {
  local missing as_root=()
  mapfile -t missing < <(missing_packages)
  if [ "${#missing[@]}" -eq 0 ]; then
    echo "   all packages of ${lists[*]} are installed"
    return
  fi
  echo "   to install: ${missing[*]}"
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || die "not root, and there is no sudo: as root run" \
      "apt-get install --no-install-recommends ${missing[*]}"
    as_root=(sudo)
    sudo -v || die "sudo refused: run this as root once, or install the packages above"
  fi
  as_root+=(env DEBIAN_FRONTEND=noninteractive LC_ALL=C ${http_proxy:+"http_proxy=$http_proxy"}
    ${https_proxy:+"https_proxy=$https_proxy"})
  # Ends what an interrupted run left half configured.
  when_unlocked dpkg "${as_root[@]}" dpkg --configure -a || return
  when_unlocked apt-update "${as_root[@]}" apt-get update -o Acquire::Retries=2 || return
  when_unlocked apt-install "${as_root[@]}" apt-get install -y --no-install-recommends \
    -o DPkg::Lock::Timeout=600 -o Acquire::Retries=2 "${missing[@]}" && return
  # apt-get update calls an unreachable mirror a warning; here it is the cause.
  grep '^[EW]:' build/log/apt-update.log >&2
  return 1
}

# when_unlocked NAME COMMAND...: a fresh machine's own update may hold the locks of
# dpkg or of the package lists; waits up to ten minutes for them.
when_unlocked() {
  local log=build/log/$1.log errors=build/log/$1.err try
  shift
  mkdir -p build/log
  for try in $(seq 120); do
    if logged "$log" "$@" 2>"$errors"; then return; fi
    grep -qE 'Could not get lock|lock was locked by another' "$log" || break
    echo "   another apt or dpkg is at work: waiting ($try of 120, 5 s each)"
    sleep 5
  done
  cat "$errors" >&2
  return 1
}

fetch() {
  "$python" deploy/fetch.py "$1"
}

lists=(deploy/apt-packages.txt)
extras=()
for extra in "$@"; do
  case $extra in
    tests)
      lists+=(deploy/apt-packages-tests.txt)
      extras+=(minilm)
      ;;
    cuda | minilm) extras+=("$extra") ;;
    *) die "unknown argument $extra; want: cuda, minilm, tests" ;;
  esac
done
[ "$(uname -m)" = x86_64 ] || die "found $(uname -m); only x86_64 is supported"
command -v dpkg-query >/dev/null || die "no dpkg: these scripts are for Debian 12"
step "Debian packages" install_packages
step "LibTorch" fetch cpu
step "default model" fetch model
step "sentence encoder" fetch e5
for extra in "${extras[@]}"; do
  case $extra in
    cuda) step "LibTorch with CUDA" fetch cuda ;;
    minilm) step "English sentence encoder" fetch minilm ;;
  esac
done

#!/usr/bin/env bash
# Runs the steps of the Dockerfile's stage "runtime", on which both images stand, in a Debian 12
# tree made by debootstrap, then gistd in it as the image would: user 5000, root file system
# read-only, /tmp in memory, a volume. What a Docker engine would show, short of LibTorch and
# the image's layers.
# usage (as root): deploy/check_image.sh GISTD_FAKE GIST [FOLDER]    default: build/image
# FOLDER/base is the bare tree, made once (about 250 MB); FOLDER/root is made anew.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

[ $# -ge 2 ] || die "usage: deploy/check_image.sh GISTD_FAKE GIST [FOLDER]"
[ "$(id -u)" -eq 0 ] || die "mounts and chroot want root"
command -v debootstrap >/dev/null || die "no debootstrap: apt-get install debootstrap"
# Mounts of our own, which go with this process.
[ -n "${GIST_UNSHARED:-}" ] || GIST_UNSHARED=1 exec unshare --mount "$root/deploy/check_image.sh" "$@"

folder=${3:-build/image}
tree=$folder/root

make_tree() {
  mkdir -p "$folder"
  if [ ! -e "$folder/base/.done" ]; then
    rm -rf "$folder/base"
    logged build/log/debootstrap.log debootstrap --variant=minbase bookworm "$folder/base" || return
    touch "$folder/base/.done"
  fi
  rm -rf --one-file-system "$tree"
  cp -a "$folder/base" "$tree"
  # What a container engine brings: names, the settings of apt here, devices.
  cp /etc/resolv.conf "$tree/etc/"
  cp -r /etc/apt/apt.conf.d/. "$tree/etc/apt/apt.conf.d/"
  mount --bind /dev "$tree/dev"
  mount -t proc proc "$tree/proc"
}

# COPY and RUN of the stage, in order, from this file on: no copy of them can be out of date.
run_stage() {
  "$python" - "$tree" <<'PYTHON'
import pathlib, re, shutil, subprocess, sys
tree = pathlib.Path(sys.argv[1])
text = pathlib.Path("Dockerfile").read_text().replace("\\\n", " ")
stage = re.search(r"^FROM debian:12-slim AS runtime$(.*?)^FROM ", text, re.M | re.S)[1]
for line in stage.splitlines():
    if copy := re.match(r"COPY (\S+) (/\S+/)$", line):
        target = tree / copy[2][1:]
        target.mkdir(parents=True, exist_ok=True)
        shutil.copy(copy[1], target)
    elif run := re.match(r"RUN (.*)", line):
        subprocess.run(["chroot", str(tree), "/bin/bash", "-o", "pipefail", "-c", run[1]], check=True)
PYTHON
}

# The paths of the image; the ports are others, since the network is the machine's.
run_gistd() {
  install -D "$1" "$tree/opt/gistd/build/release/gistd"
  install -D "$2" "$tree/opt/gistd/build/release/gist"
  mkdir -p "$tree/opt/gistd/adapters"
  cp -r adapters/default adapters/presets adapters/answer "$tree/opt/gistd/adapters/"
  mkdir -p "$folder/volume"
  rm -rf "${folder:?}/volume/"*
  chown 5000:5000 "$folder/volume"
  mount --bind "$tree" "$tree"
  mount -o remount,ro,bind "$tree"
  mount -t tmpfs tmpfs "$tree/tmp"
  mount --bind "$folder/volume" "$tree/var/lib/gistd"
  mount -t proc proc "$tree/proc"
  mount --bind /dev "$tree/dev"
  chroot --userspec=5000:5000 "$tree" /bin/bash -euc '
    export PATH=/opt/gistd/build/release:$PATH GIST_HOME=/opt/gistd GIST_SERVER=127.0.0.1:50951
    ! touch /opt/x 2>/dev/null
    [ "$(id -u):$(id -g)" = 5000:5000 ]
    gistd --listen 0.0.0.0:50951 --insecure-listen --admin 0.0.0.0:9951 \
      --data-dir /var/lib/gistd --log-format json 2>/tmp/log &
    pid=$!
    for _ in $(seq 100); do ! grep -q "gistd ready" /tmp/log || break; sleep 0.1; done
    echo "The secret passkey is ABC123 ." >/tmp/text
    gist ask "$(gist compress /tmp/text)" "Which one?"
    exec 3<>/dev/tcp/127.0.0.1/9951
    printf "GET /metrics HTTP/1.0\r\n\r\n" >&3
    echo "series: $(timeout 5 grep -c "^gist_" <&3)"
    kill "$pid"
    wait "$pid"
    echo "gistd ended with 0; files in the volume: $(ls /var/lib/gistd | wc -l)"'
}

step "a bare Debian 12" make_tree
step "the stage's steps" logged build/log/image-steps.log run_stage
step "gistd as user 5000 on a read-only root" run_gistd "$1" "$2"

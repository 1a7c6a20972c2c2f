#!/usr/bin/env bash
# Is this container's gistd ready? Asks /readyz on the admin port, with nothing but
# bash: it needs no certificate and no token.
# usage: healthcheck.sh [PORT]      default: 9090
# Exit status: 0 if the answer is 200 within 4 s.
set -uo pipefail
exec 2>/dev/null
exec 3<>"/dev/tcp/127.0.0.1/${1:-9090}" || exit 1
printf 'GET /readyz HTTP/1.0\r\nHost: localhost\r\n\r\n' >&3
read -r -t 4 -u 3 _ status _ && [ "$status" = 200 ]

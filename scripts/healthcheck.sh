#!/usr/bin/env bash
# usage: scripts/healthcheck.sh [--proxy] [SETTINGS…]
#
# Asks the running service whether it is ready: exit 0 or 1, and a line that says why. Takes the settings of the
# service from the environment or as flags (scripts/healthcheck.sh --bind 127.0.0.1:8000). --proxy: asks nginx instead
# whether it answers at all, whatever the service behind it says.
set -euo pipefail
script=$(readlink -f "$0")
root=$(dirname "$(dirname "$script")")
# shellcheck source=scripts/lib/usage.sh
. "$root/scripts/lib/usage.sh"
[[ ${1:-} != -h && ${1:-} != --help ]] || usage "$script" "$1"
program=${CV_BIN_DIR:-$root/build/release/bin}/cv-query
[[ -x $program ]] || program=$(command -v cv-query) || { echo "no cv-query; scripts/run.sh builds it" >&2; exit 69; }
[[ $root == /usr/share/cv-backend ]] || export CV_ENV=${CV_ENV:-development}
[[ ${1:-} == --proxy ]] || exec "$program" healthcheck "$@"
shift
eval "$("$program" config --env "$@")"
port=$HTTP_PORT
[[ $TLS_CERTIFICATE != off ]] || port=${PORT:-$HTTP_PORT}
host=${ALLOWED_HOSTS%%,*} # nginx answers to names it knows
host=${host#.}
[[ $host != '*' ]] || host=localhost
ask() {
  exec 3<>"/dev/tcp/127.0.0.1/$port"
  printf 'GET /api/v1/health/ HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n' "$host" >&3
  read -r -t 4 answer <&3
  [[ $answer == HTTP/1.1\ * ]]
}
ask || { echo "nginx does not answer on port $port" >&2; exit 1; }
echo "port $port: ${answer%$'\r'}"

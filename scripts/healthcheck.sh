#!/usr/bin/env bash
# usage: scripts/healthcheck.sh [--proxy] [SETTINGS…]
#
# Asks the running service whether it is ready: exit 0 or 1, and a line that says why. Takes the settings of the
# service from the environment or as flags (scripts/healthcheck.sh --bind 127.0.0.1:8000, --config FILE), and finds what
# scripts/start.sh has started. In a checkout where they name no ALLOWED_HOSTS and no file, it is development's service,
# which scripts/run.sh starts. --proxy: asks nginx instead whether it answers at all, whatever the service behind it
# says.
set -euo pipefail
script=$(readlink -f "$0")
root=$(dirname "$(dirname "$script")")
# shellcheck source=scripts/lib/usage.sh
. "$root/scripts/lib/usage.sh"
# shellcheck source=scripts/lib/started.sh
. "$root/scripts/lib/started.sh"
[[ ${1:-} != -h && ${1:-} != --help ]] || usage "$script" "$1"
cv_query=${CV_BIN_DIR:-$root/build/release/bin}/cv-query
[[ -x $cv_query ]] || cv_query=$(command -v cv-query) || { echo "no cv-query; scripts/run.sh builds it" >&2; exit 69; }
proxy=
[[ ${1:-} != --proxy ]] || { proxy=1; shift; }
config=("$@")
if [[ $root != /usr/share/cv-backend && -z ${CV_ENV:-}${ALLOWED_HOSTS:-}${ALLOWED_HOSTS_FILE:-} &&
  " $*" != *" --config"* ]]; then
  export CV_ENV=development # production has these
fi
if [[ -z $proxy ]]; then
  read_settings "$cv_query" 2>/dev/null || true # what nobody needs here may be missing
  folders=("$(setting CV_RUN_DIR)")
  ! { is_default CV_RUN_DIR && is_own "$elsewhere"; } || folders+=("$elsewhere/CV_RUN_DIR")
  for folder in "${folders[@]}"; do
    [[ $folder == /* ]] || folder=$root/$folder
    started=$(cat "$folder/start" 2>/dev/null) || continue # as start.sh has written it down
    grep -qs start.sh "/proc/${started%% *}/cmdline" || continue
    is_default BIND || [[ $(setting BIND) == "${started#* }" ]] || continue
    export BIND=${started#* }
    unset PORT # nginx's, there
    break
  done
  exec "$cv_query" healthcheck "$@"
fi
read_settings "$cv_query" || exit
eval "$settings"
port=$HTTP_PORT
[[ $TLS_CERTIFICATE != off ]] || port=${PORT:-$HTTP_PORT}
host=${ALLOWED_HOSTS%%,*} # nginx answers to names it knows
host=${host#.}
[[ $host != '*' ]] || host=localhost
answer=
ask() {
  { exec 3<>"/dev/tcp/127.0.0.1/$port"; } 2>/dev/null || return 1
  printf 'GET /api/v1/health/ HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n' "$host" >&3
  read -r -t 4 answer <&3
  [[ $answer == HTTP/1.1\ * ]]
}
ask || { echo "nginx does not answer on port $port" >&2; exit 1; }
echo "port $port: ${answer%$'\r'}"

#!/usr/bin/env bash
# usage: scripts/run.sh
#
# Sets up and runs everything on a Debian 12 machine: installs what is missing, builds, loads data/, and serves in
# development settings until Ctrl-C: the web page and the API through nginx on https://localhost:8443 (with a
# certificate of its own making), the service itself on http://127.0.0.1:8000, how it is on http://127.0.0.1:8001.
# Safe to run again. Settings in the environment (BIND, HTTPS_PORT, SIDECAR_BIND, CV_DATA_DIR, …) override those of
# development.
set -euo pipefail
script=$(readlink -f "$0")
cd "$(dirname "$script")/.."
# shellcheck source=scripts/lib/usage.sh
. scripts/lib/usage.sh
# shellcheck source=scripts/lib/packages.sh
. scripts/lib/packages.sh
[[ $# == 0 ]] || usage "$script" "$1"
[[ ! $PWD =~ [[:space:]] ]] || { echo "$PWD: nginx takes no path with spaces; move the clone" >&2; exit 78; }
export CV_ENV=${CV_ENV:-development}
if [[ ${TLS_CERTIFICATE:-} == off && -n ${PORT:-} ]]; then # a platform's port is nginx's, the service keeps its own
  export HTTP_PORT=$PORT
  unset PORT
fi
export CV_RUN_DIR=${CV_RUN_DIR:-$PWD/build/run}
mkdir -p "$CV_RUN_DIR"
socket=unix:$(realpath "$CV_RUN_DIR")/query.sock # where nginx asks
first=${BIND:-127.0.0.1:${PORT:-8000}}
export BIND=$first,$socket PROXY_UPSTREAM=${PROXY_UPSTREAM:-$socket}
export HTTP_PORT=${HTTP_PORT:-8080} HTTPS_PORT=${HTTPS_PORT:-8443}
first=${first%%,*}
# accepts PORT [HOST]: whether somebody listens there; on loopback unless another address is meant.
accepts() {
  local host=${2-}
  case $host in '' | 0.0.0.0 | '[::]') host=127.0.0.1 ;; esac
  host=${host#[} host=${host%]}
  (exec 3<>"/dev/tcp/$host/$1") 2>/dev/null
}
# free SETTING [HOST:]PORT: ends when it is taken, for another's answers would be told for ours.
free() {
  local port=${2##*:} host=
  [[ $2 != *:* ]] || host=${2%:*}
  if [[ $host != unix && $port != 0 ]] && accepts "$port" "$host"; then
    echo "run.sh: port $port is taken (by another scripts/run.sh?); $1 chooses another" >&2
    exit 69
  fi
}
free HTTP_PORT "$HTTP_PORT"
[[ ${TLS_CERTIFICATE:-} == off ]] || free HTTPS_PORT "$HTTPS_PORT"
free BIND "$first"
free SIDECAR_BIND "${SIDECAR_BIND:-127.0.0.1:8001}"

need_packages "${build_packages[@]}" "${site_packages[@]}" "${proxy_packages[@]}"
echo "building (the first time takes about a minute)" >&2
cmake --preset release -DBUILD_TESTING=OFF >/dev/null
cmake --build --preset release >&2
scripts/collectstatic.sh >&2

if [[ -z ${TLS_CERTIFICATE:-} ]]; then
  scripts/dev-certificate.sh build/tls
  export TLS_CERTIFICATE=$PWD/build/tls/cert.pem TLS_CERTIFICATE_KEY=$PWD/build/tls/key.pem
fi
page=https://localhost:$HTTPS_PORT trust=
[[ $TLS_CERTIFICATE != "$PWD/build/tls/cert.pem" ]] || trust='--cacert build/tls/ca.pem '
probe=https://127.0.0.1:$HTTPS_PORT
if [[ $TLS_CERTIFICATE == off ]]; then
  page=http://localhost:$HTTP_PORT probe=http://127.0.0.1:$HTTP_PORT
fi
export PROXY_URL=${PROXY_URL:-$probe}
nginx_port=${page##*:}
scripts/render-proxy.sh --out build/proxy --logs build/proxy/logs
case $first in
  *:0) ask=curl base=http://127.0.0.1:PORT ;; # which one, its ready line says
  unix:*) ask="curl --unix-socket ${first#unix:}" base=http://localhost ;;
  :* | 0.0.0.0:* | '[::]':*) ask=curl base=http://127.0.0.1:${first##*:} ;;
  *) ask=curl base=http://$first ;;
esac
# All end together: with Ctrl-C, or when one of them does. In sessions of their own, so that a terminal's Ctrl-C
# reaches them once, from here.
asked='' pids=()
trap 'asked=1' INT TERM HUP
trap 'kill "${pids[@]}" 2>/dev/null || true' EXIT # whatever the way out
setsid build/release/bin/cv-query &
pids+=($!)
PATH=$PATH:/usr/sbin setsid nginx -c "$PWD/build/proxy/nginx.conf" -e stderr -g 'daemon off;' &
pids+=($!)
running() { local pid; for pid in "${pids[@]}"; do kill -0 "$pid" 2>/dev/null || return; done; }
# Both are there; that all is well is the sidecar's to say.
up() {
  accepts "$nginx_port" &&
    curl -s -m 2 --noproxy '*' -o /dev/null --unix-socket "${socket#unix:}" http://localhost/livez
}
patience=$((SECONDS + 10))
until [[ -n $asked ]] || ! running || up; do
  sleep 0.1 || true # Ctrl-C ends it too
  if ((SECONDS >= patience)); then
    echo "run.sh: still waiting for cv-query to have loaded its CVs, and for nginx on port $nginx_port" >&2
    patience=$((SECONDS + 60))
  fi
done
if [[ -z $asked ]] && running; then # so that the sidecar finds all as it is to be
  setsid build/release/bin/cv-health &
  pids+=($!)
  cat <<EOF || true # Ctrl-C may come while it prints

nginx ready on $page

The page:     $page/
The API:      curl $trust$page/api/v1/cvs/
              $ask '$base/api/v1/cvs/ramin/skills/?lang=de&focus=Programming'
Its reference: $page/docs/
How it is:    http://${SIDECAR_BIND:-127.0.0.1:8001}/
nginx's logs: build/proxy/logs
End it with Ctrl-C.

EOF
fi
code=0
[[ -n $asked ]] || wait -n "${pids[@]}" || code=$?
kill "${pids[@]}" 2>/dev/null || true
[[ -z $asked ]] || code=0
for pid in "${pids[@]}"; do
  until wait "$pid" || { (($? < 128)) || ! kill -0 "$pid" 2>/dev/null; }; do :; done # a signal ends a wait as well
done
pids=()
exit "$code"

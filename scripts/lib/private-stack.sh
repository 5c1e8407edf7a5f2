#!/usr/bin/env bash
# usage: scripts/lib/private-stack.sh
#
# Starts the service and nginx with the page for one program alone: on a free port of 127.0.0.1, with folders and a
# certificate of their own. Prints "ready https://127.0.0.1:PORT" and ends both when its input ends or on SIGTERM.
# CV_DATA_DIR (data) is served, RATE_LIMIT is off unless set; programs come from CV_BIN_DIR (build/release/bin).
set -euo pipefail
script=$(readlink -f "$0")
cd "$(dirname "$script")/../.."
# shellcheck source=scripts/lib/usage.sh
. scripts/lib/usage.sh
[[ $# == 0 ]] || usage "$script" "$1"
PATH=$PATH:/usr/sbin:/sbin
export CV_BIN_DIR=${CV_BIN_DIR:-build/release/bin}
[[ -x $CV_BIN_DIR/cv-query ]] || { echo "no $CV_BIN_DIR/cv-query; scripts/run.sh builds it" >&2; exit 69; }

own=$(mktemp -d)
pids=()
finish() {
  trap - EXIT INT TERM HUP
  ((!${#pids[@]})) || kill "${pids[@]}" 2>/dev/null || true
  wait "${pids[@]}" 2>/dev/null || true
  rm -rf "$own"
}
trap finish EXIT
trap 'exit 143' INT TERM HUP

# Two ports that were free a moment ago: nginx cannot say which it took.
read -r http https < <(/usr/bin/python3 -c 'import socket
taken = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
print(*(s.getsockname()[1] for s in taken))')
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost \
  -addext subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout "$own/key.pem" -out "$own/cert.pem" 2>/dev/null
export CV_ENV=development WEB_CONCURRENCY=2 CV_DATA_DIR=${CV_DATA_DIR:-data} CV_STATE_DIR=$own/state \
  CV_RUN_DIR=$own/run \
  BIND=unix:$own/run/query.sock PROXY_UPSTREAM='' HTTP_PORT=$http HTTPS_PORT=$https TLS_CERTIFICATE=$own/cert.pem \
  TLS_CERTIFICATE_KEY=$own/key.pem ALLOWED_HOSTS=localhost,127.0.0.1 RATE_LIMIT=${RATE_LIMIT:-off}
mkdir -p "$own/run" "$own/state"
scripts/render-proxy.sh --out "$own/nginx" --logs "$own/logs" >&2
"$CV_BIN_DIR/cv-query" </dev/null >"$own/said" 2>&1 &
pids+=("$!")
nginx -c "$own/nginx/nginx.conf" -e stderr -g 'daemon off;' </dev/null >&2 &
pids+=("$!")
for ((tries = 0; ; tries++)); do
  curl -fsk -o "$own/answer" "https://127.0.0.1:$https/api/v1/openapi.json" && break # which no limit counts
  if ((tries >= 150)) || ! kill -0 "${pids[@]}" 2>/dev/null; then
    cat "$own/said" >&2
    echo "the service or nginx does not answer" >&2
    exit 69
  fi
  sleep 0.1
done
echo "ready https://127.0.0.1:$https"
read -r _ || true # until whoever started this is gone

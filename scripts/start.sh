#!/usr/bin/env bash
# usage: scripts/start.sh [query|health|proxy|all] [--config FILE]
#
# The production entry where no systemd is: in a container, on a platform, on a machine. Checks the settings as for a
# deployment, loads the CVs, collects the static files, then becomes the service (query), its sidecar (health) or nginx
# (proxy), or looks after all three (all, the default) until it is told to end or one of them does; a sidecar that ends
# is started again. Installs and builds nothing; may be run again at any time. Settings as for cv-query. Its own:
#   DEPLOY_CHECK  warn (default): starts whatever the deploy check finds; strict: does not; off: does not check
#   SITE_DIR      copies the static files there before nginx serves them, and keeps those of earlier versions for
#                 a month, for pages that are still open (default: serves them where they are)
#   PROXY_DIR, PROXY_WORK  where nginx's configuration goes, and where nginx writes its cache (default: in CV_RUN_DIR)
set -euo pipefail
script=$(readlink -f "$0")
from=$PWD
cd "$(dirname "$script")/.."
# shellcheck source=scripts/lib/usage.sh
. scripts/lib/usage.sh
# shellcheck source=scripts/lib/started.sh
. scripts/lib/started.sh
role=all
config=()
case ${1:-} in query | health | proxy | all) role=$1; shift ;; esac
case ${1:-} in
  '') ;;
  --config)
    config=(--config "${2:?a file}")
    [[ $2 == /* ]] || config=(--config "$from/$2")
    (($# == 2)) || usage "$script" "$3"
    ;;
  *) usage "$script" "$1" ;;
esac

say() { echo "start.sh: $*" >&2; }
PATH=${CV_BIN_DIR:-$PWD/build/release/bin}:$PATH:/usr/sbin # nginx
type -P cv-query >/dev/null || { say "no cv-query: install the package, or build it (scripts/run.sh)"; exit 69; }

read_settings cv-query || exit

# Where the folders of production cannot be written, as on platforms that start a container as some user: elsewhere.
own_folders() {
  local name folder
  for name in CV_STATE_DIR CV_RUN_DIR; do
    folder=$(setting "$name")
    mkdir -p "$folder" 2>/dev/null && [[ -w $folder ]] && continue
    is_default "$name" || { say "$name=$folder cannot be written by user $UID"; exit 78; }
    say "$folder cannot be written by user $UID: $name=$elsewhere/$name"
    mkdir -m 700 "$elsewhere" 2>/dev/null || is_own "$elsewhere" || {
      say "$elsewhere is not a folder that user $UID alone may enter, so it is not used: remove it, or set $name"
      exit 78
    }
    export "$name=$elsewhere/$name"
    (umask 077 && mkdir -p "$elsewhere/$name")
  done
  read_settings cv-query
}

deploy_check() {
  case ${DEPLOY_CHECK:-warn} in
    off) ;;
    warn) cv-query check --deploy "${config[@]}" >&2 || say "starting all the same; DEPLOY_CHECK=strict would not" ;;
    strict) cv-query check --deploy "${config[@]}" >&2 || { say "DEPLOY_CHECK=strict: not started"; exit 78; } ;;
    *) say "DEPLOY_CHECK=$DEPLOY_CHECK is not allowed; allowed: warn, strict, off"; exit 78 ;;
  esac
}

load() { # what is refused is told, and served in its last good version, if there is one
  cv-query load "${config[@]}" >&2 || (($? == 65))
}

# Sets `conf`: nginx's configuration, made from the settings.
render() {
  local proxy built=/usr/share/cv-backend/site
  proxy=$(setting CV_RUN_DIR)/proxy
  [[ ! -d proxy/site ]] || built=$PWD/build/site # a checkout
  if [[ ! -d $built ]]; then # made here where the tools for it are
    /usr/bin/python3 scripts/lib/collectstatic.py proxy/site "$built" >&2 ||
      { say "no static files in $built: scripts/collectstatic.sh makes them"; exit 69; }
  fi
  if [[ -n ${SITE_DIR:-} ]]; then
    cp -r "$built/." "$SITE_DIR/"
    find "$SITE_DIR/static" -type f -mtime +30 -delete
  fi
  conf=${PROXY_DIR:-$proxy}/nginx.conf
  scripts/render-proxy.sh --out "${conf%/*}" --work "${PROXY_WORK:-$proxy/work}" --site "${SITE_DIR:-$built}" \
    "${config[@]}"
}

nginx_command=(nginx -e stderr -g 'daemon off;' -c)
case $role in
  query)
    own_folders
    deploy_check
    load
    exec cv-query "${config[@]}"
    ;;
  health)
    exec cv-health "${config[@]}"
    ;;
  proxy)
    deploy_check
    render
    exec "${nginx_command[@]}" "$conf"
    ;;
esac

own_folders
run=$(realpath "$(setting CV_RUN_DIR)")
! is_default BIND || export BIND="unix:$run/query.sock"
if [[ $(setting TLS_CERTIFICATE) == off ]]; then
  port=$(setting PORT) # nginx's, which is the one that is spoken to
  url=http://127.0.0.1:${port:-$(setting HTTP_PORT)}
else
  unset PORT
  url=https://127.0.0.1:$(setting HTTPS_PORT)
fi
! is_default PROXY_URL || export PROXY_URL="$url"
read_settings cv-query
echo "$$ $(setting BIND)" >"$run/start" # for healthcheck.sh
deploy_check
load
render

asked=
trap 'asked=1' TERM INT QUIT
trap 'kill -HUP "$query" "$proxy" 2>/dev/null || true' HUP
# In sessions of their own, so that a terminal's Ctrl-C reaches them once, from here.
setsid env -u PORT cv-query "${config[@]}" &
query=$!
setsid cv-health "${config[@]}" &
health=$!
setsid "${nginx_command[@]}" "$conf" &
proxy=$!
code=0
until [[ -n $asked ]]; do
  ended=''
  wait -n -p ended "$query" "$health" "$proxy" && code=0 || code=$?
  [[ -n ${ended:-} && -z $asked ]] || continue # a signal ends a wait as well
  if [[ $ended == "$health" ]]; then
    say "the sidecar has ended with $code; starting it again in a second"
    sleep 1
    setsid cv-health "${config[@]}" &
    health=$!
    continue
  fi
  if [[ $ended == "$query" ]]; then say "cv-query has ended with $code"; else say "nginx has ended with $code"; fi
  ((code != 0)) || code=69
  break
done
[[ -z $asked ]] || code=0
# finish SIGNAL PID…: waits for each to end; a PID below 0 is a process group.
finish() {
  local signal=$1 pid
  shift
  for pid; do kill "-$signal" -- "$pid" 2>/dev/null || true; done
  for pid; do
    until wait "${pid#-}" || { (($? < 128)) || ! kill -0 "${pid#-}" 2>/dev/null; }; do :; done
  done
}
# nginx first: what it has taken in is still answered. Its workers too, should it have been killed.
finish QUIT "-$proxy"
finish TERM "$query" "$health"
exit "$code"

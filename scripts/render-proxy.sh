#!/usr/bin/env bash
# usage: scripts/render-proxy.sh --out DIR [--work DIR] [--site DIR] [--logs DIR|-] [--acme DIR]
#                                [--probe-socket PATH] [--config FILE]
#
# Writes nginx's configuration from the settings (environment, NAME_FILE, --config FILE) and has nginx check it:
# DIR/nginx.conf is nginx as a whole (start it with: nginx -c DIR/nginx.conf -e stderr), DIR/cv-backend.conf what
# belongs into the http block of a distribution's own nginx.conf. Safe to run again; what was there before stays in
# force when a setting is bad. nginx reads it at its start and on SIGHUP.
#   --out DIR            where the configuration goes
#   --work DIR           where nginx writes: cache, temporary files, pid; DIR/work unless given
#   --site DIR           the collected static files; build/site, or /usr/share/cv-backend/site when installed
#   --logs DIR|-         access.log (JSON) and error.log there; - (unless given) for the standard streams
#   --acme DIR           what certbot's --webroot is given; the work folder's acme unless given
#   --probe-socket PATH  a unix socket on which the sidecar alone asks nginx for the health report; what a killed nginx
#                        has left there must be removed before the next one starts
#   --config FILE        a file of NAME=VALUE lines with settings
# shellcheck disable=SC2016,SC2034,SC2094,SC2153,SC2154 # nginx's variables; the templates' names
set -euo pipefail
script=$(readlink -f "$0")
root=$(dirname "$(dirname "$script")")
# shellcheck source=scripts/lib/usage.sh
. "$root/scripts/lib/usage.sh"
PATH=$PATH:/usr/sbin:/sbin

out='' work='' site='' logs=- acme='' probe='' config=()
while (($#)); do
  case $1 in
    --out) out=${2-} ;;
    --work) work=${2-} ;;
    --site) site=${2-} ;;
    --logs) logs=${2-} ;;
    --acme) acme=${2-} ;;
    --probe-socket) probe=${2-} ;;
    --config) config=(--config "${2-}") ;;
    *) usage "$script" "$1" ;;
  esac
  (($# >= 2)) || { echo "render-proxy.sh: $1 needs a value" >&2; exit 64; }
  shift 2
done
[[ -n $out ]] || usage "$script" "nothing: --out DIR is missing"

# split NAME TEXT: the comma list's members into the array NAME, blanks around them removed.
split() {
  local -n into=$1
  local rest=$2, one
  into=()
  while [[ -n $rest ]]; do
    one=${rest%%,*} rest=${rest#*,}
    one=${one#"${one%%[![:space:]]*}"} one=${one%"${one##*[![:space:]]}"}
    [[ -z $one ]] || into+=("$one")
  done
}
is_true() { [[ ${1,,} =~ ^(true|yes|on|1)$ ]]; }
fail() { echo "render-proxy.sh: $*" >&2; exit 78; }
for tool in nginx envsubst openssl; do
  command -v "$tool" >/dev/null || { echo "render-proxy.sh: needs $tool (Debian: nginx, gettext-base, openssl)" >&2; exit 69; }
done
program=$root/build/release/bin/cv-query
[[ -z ${CV_BIN_DIR:-} ]] || program=$CV_BIN_DIR/cv-query
[[ -x $program ]] || program=$(command -v cv-query) || { echo "render-proxy.sh: no cv-query; scripts/run.sh builds it" >&2; exit 69; }
settings=$("$program" config --env "${config[@]}") || exit
set -a # the templates take their ${NAME}s from the environment
eval "$settings"
KEEPALIVE=$((10#$KEEPALIVE))

# absolute PATH: as it stands from here, fit for a line of nginx's.
absolute() {
  local path=$1
  [[ $path == /* ]] || path=$PWD/$path
  [[ ! $path =~ [][:space:]\"\'\\\$\;{}#\&[*?] ]] || fail "$path: a path with spaces, quotes or any of \\ \$ ; { } # & [ ] * ? is none for nginx"
  echo "$path"
}
mkdir -p "$out"
exec 9>"$out/.lock"
flock 9 # one at a time
out=$(absolute "$out") || exit
work=$(absolute "${work:-$out/work}") || exit
acme=$(absolute "${acme:-$work/acme}") || exit
if [[ -z $site ]]; then
  site=$root/build/site
  [[ $root != /usr/share/cv-backend ]] || site=$root/site
fi
mkdir -p "$work" "$acme/.well-known/acme-challenge"
OUT=$out WORK=$work ACME_ROOT=$acme
SITE=$(absolute "$site") || exit
[[ -r $SITE/error.html ]] || { echo "render-proxy.sh: no static files in $SITE; scripts/collectstatic.sh builds them" >&2; exit 69; }
[[ -z $probe ]] || probe=$(absolute "$probe") || exit

# --- where it listens
everywhere=('' '[::]:')
[[ $CV_ENV == production ]] || everywhere=('127.0.0.1:' '[::1]:')
[[ -e /proc/net/if_inet6 && -n $(</proc/net/if_inet6) ]] || unset 'everywhere[1]'
plain='' tls=1
[[ $TLS_CERTIFICATE != off ]] || plain=1 tls='' # a platform terminates TLS
[[ -z $plain ]] || HTTP_PORT=${PORT:-$HTTP_PORT}
# listen PORT WORDS: a line for each address.
listen() { local at; for at in "${everywhere[@]}"; do printf 'listen %s%s;\n    ' "$at" "$1$2"; done; }
LISTEN_HTTP=$(listen "$HTTP_PORT" '')
LISTEN_HTTP_DEFAULT=$(listen "$HTTP_PORT" ' default_server backlog=4096')
LISTEN_HTTPS=$(listen "$HTTPS_PORT" ' ssl http2')
LISTEN_HTTPS_DEFAULT=$(listen "$HTTPS_PORT" ' ssl http2 default_server backlog=4096')
HTTPS_SUFFIX=
[[ $HTTPS_PORT == 443 ]] || HTTPS_SUFFIX=:$HTTPS_PORT

# --- names
REJECT_HANDSHAKE='ssl_reject_handshake on;'
SERVER_NAMES=
split hosts "$ALLOWED_HOSTS"
for host in "${hosts[@]}"; do
  case $host in
    '*') host='~.' REJECT_HANDSHAKE= ;;
    \[*\] | *[0-9].*[0-9].*[0-9].*[0-9]) REJECT_HANDSHAKE= ;; # who asks by address names nobody in the handshake
  esac
  SERVER_NAMES+=" ${host,,}"
done

# --- TLS
if [[ -z $plain ]]; then
  for name in TLS_CERTIFICATE TLS_CERTIFICATE_KEY; do
    [[ -n ${!name} && ${!name} != off ]] || fail "$name is required where nginx terminates TLS; allowed: an absolute path; TLS_CERTIFICATE=off where a platform does (docs/tls.md)"
    absolute "${!name}" >/dev/null || exit
    [[ -r ${!name} ]] || fail "$name=${!name} cannot be read (docs/tls.md says how to come by a certificate)"
  done
fi
HSTS=
if [[ $SECURE_HSTS_SECONDS != 0 ]]; then
  HSTS="max-age=$SECURE_HSTS_SECONDS"
  ! is_true "$SECURE_HSTS_INCLUDE_SUBDOMAINS" || HSTS+='; includeSubDomains'
  ! is_true "$SECURE_HSTS_PRELOAD" || HSTS+='; preload'
fi

# --- who is believed of client, scheme and request id
REQUEST_ID='map "" $cv_request_id { default $request_id; }
map $https $cv_https { on on; default ""; }
map "" $cv_scheme { default $scheme; }'
REDIRECT=
if [[ -n $plain ]]; then
  peers='' REAL_IP='' everybody=0
  split trusted "$FORWARDED_ALLOW_IPS"
  for peer in "${trusted[@]}"; do
    [[ $peer != '*' ]] || { REAL_IP+=$'set_real_ip_from 0.0.0.0/0;\nset_real_ip_from ::/0;\n' everybody=1; continue; }
    [[ $peer != unix ]] || continue
    REAL_IP+="set_real_ip_from $peer;"$'\n' peers+="    $peer 1;"$'\n'
  done
  header=${SECURE_PROXY_SSL_HEADER%%:*}
  wanted=${SECURE_PROXY_SSL_HEADER#*:}
  wanted=${wanted#"${wanted%%[![:space:]]*}"}
  header=${header,,}
  header=${header%%[[:space:]]*}
  REQUEST_ID="${REAL_IP}real_ip_header X-Forwarded-For;
geo \$realip_remote_addr \$cv_platform {
    default $everybody;
$peers}
map \"\$cv_platform\$http_x_request_id\" \$cv_request_id {
    \"~^1(?<cv_id>[A-Za-z0-9._-]{1,64})\$\" \$cv_id;
    default \$request_id;
}
map \"\$cv_platform|\$http_${header//-/_}\" \$cv_https {
    \"1|${wanted//[\"\\\$]/}\" on;
    default \"\";
}
map \$cv_https \$cv_scheme { on https; default http; }"
  # shellcheck disable=SC2016 # nginx's variables
  ! is_true "$SECURE_SSL_REDIRECT" || REDIRECT='set $cv_to_https "$cv_https|$uri";
    if ($cv_to_https !~ "^on|^\|/api/v1/health/$|^\|/_error/") {
        return 301 https://$host$request_uri;
    }'
fi

# --- origins
ORIGINS='' VARY_ORIGIN=
split origins "$CORS_ALLOWED_ORIGINS"
for origin in "${origins[@]}"; do
  # A pattern, because nginx compares plain names without regard to case.
  escaped=${origin//./\\.} escaped=${escaped//[/\\[} escaped=${escaped//]/\\]}
  ORIGINS+="    \"~^(?:api|cvs|media)\\|$escaped\$\" \$http_origin;"$'\n' VARY_ORIGIN=', Origin'
done

# --- the rate limit
LIMIT='' LIMIT_ZONE='' POLICY='' LIMIT_COUNT=0 LIMIT_WINDOW=0 RETRY_AFTER=1
if [[ $RATE_LIMIT != off ]]; then
  LIMIT_COUNT=$((10#${RATE_LIMIT%/*}))
  case ${RATE_LIMIT#*/} in
    s) LIMIT_WINDOW=1 ;;
    m) LIMIT_WINDOW=60 ;;
    h) LIMIT_WINDOW=3600 ;;
    d) LIMIT_WINDOW=86400 ;;
  esac
  rate=${LIMIT_COUNT}r/s
  if ((LIMIT_WINDOW > 1)); then
    minute=$((LIMIT_COUNT * 60 / LIMIT_WINDOW)) # nginx counts whole requests
    rate=${minute}r/m RETRY_AFTER=$(((59 + minute) / minute))
  fi
  POLICY="\"cvs\";q=$LIMIT_COUNT;w=$LIMIT_WINDOW"
  LIMIT_ZONE="limit_req_zone \$cv_client zone=cv_limit:10m rate=$rate;"
  LIMIT="limit_req zone=cv_limit burst=$LIMIT_COUNT nodelay;
    limit_req_status 429;
    limit_req_log_level notice;"
fi

# --- the service
upstreams=()
split places "$PROXY_UPSTREAM"
if [[ -z $PROXY_UPSTREAM ]]; then
  split bound "$BIND"
  places=()
  for place in "${bound[@]}"; do [[ $place != unix:* ]] || places+=("$place"); done
  if ((!${#places[@]})); then
    for place in "${bound[@]}"; do
      port=${place##*:}
      [[ -z $PORT || -n $plain ]] || port=$PORT
      case $place in
        :* | 0.0.0.0:*) places+=("127.0.0.1:$port") ;;
        '[::]':*) places+=("[::1]:$port") ;;
        *) places+=("${place%:*}:$port") ;;
      esac
    done
  fi
fi
for place in "${places[@]}"; do [[ $place != unix:* ]] || absolute "${place#unix:}" >/dev/null; done
idle=16 # connections that each of nginx's processes keeps
UPSTREAM_NAME=cv_query
UPSTREAM=
if ((${#places[@]} == 1)) && [[ ${places[0]} =~ ^[^:]*[A-Za-z][^:]*:[0-9]+$ && ${places[0]} != localhost:* ]]; then
  # A name: its addresses change as containers come and go. nginx 1.22 looks it up again only when it stands in a
  # variable, and keeps no connections then.
  servers=
  while read -r word address _; do
    [[ $word != nameserver ]] || { [[ $address != *:* ]] || address="[${address%%%*}]"; servers+=" $address"; }
  done </etc/resolv.conf
  [[ -n $servers ]] || fail "PROXY_UPSTREAM=$PROXY_UPSTREAM is a name, and /etc/resolv.conf has no nameserver to ask"
  UPSTREAM="resolver$servers valid=5s;
resolver_timeout 2s;
map \"\" \$cv_upstream { default ${places[0]}; }"
  UPSTREAM_NAME="\$cv_upstream"
else
  # Each is listed once more than connections are kept, so that a request that meets as many dead ones as there can be
  # still finds a living one.
  for ((i = 0; i <= idle; i++)); do
    for place in "${places[@]}"; do upstreams+=("    server $place max_fails=0;"); done
  done
  wait=$((KEEPALIVE > 10 ? KEEPALIVE - 5 : (KEEPALIVE + 1) / 2))
  UPSTREAM="upstream cv_query {
$(printf '%s\n' "${upstreams[@]}")
    keepalive $idle;
    keepalive_timeout ${wait}s; # before the service ends them
    keepalive_requests 1000000;
}"
fi
if [[ -n $probe ]]; then
  UPSTREAM+="
server { # the sidecar's own way in, where it has no network
    listen unix:$probe;
    access_log off;
    set \$cv_seen \$cv_kind;
    location = /api/v1/health/ {
        include $out/.fresh/upstream.conf;
    }
    location / {
        return 444;
    }
}"
fi

# --- the rest
COOKIE_SECURE='' COOKIE_SECURE_TOLD=
if is_true "$SESSION_COOKIE_SECURE" && is_true "$CSRF_COOKIE_SECURE"; then
  COOKIE_SECURE=' secure' COOKIE_SECURE_TOLD=', only sent by https'
fi
ROBOTS='Disallow: /' ROBOTS_TAG='noindex, nofollow'
! is_true "$SITE_INDEXING" || ROBOTS='Allow: /' ROBOTS_TAG=
SECURITY_TXT=
if [[ -n $SECURITY_CONTACT ]]; then
  [[ $SECURITY_CONTACT != *[\"\\\$\;{}]* ]] || fail "SECURITY_CONTACT=$SECURITY_CONTACT: a URL without quotes, \\ \$ ; { }"
  SECURITY_TXT="location = /.well-known/security.txt { # RFC 9116
    default_type text/plain;
    charset utf-8;
    more_set_headers 'Cache-Control: public, max-age=3600';
    return 200 \"Contact: $SECURITY_CONTACT\nExpires: $(date -u -d '+360 days' +%Y-%m-%dT00:00:00Z)\nPreferred-Languages: en, de\n\";
}"
fi
SECTIONS='(?:basics|profiles|education|experiences|skills|projects|publications|languages|certifications|workshop_and_certifications|references)/'
if [[ $logs == - ]]; then
  ACCESS_LOG=/dev/stdout ERROR_LOG=stderr ACCESS_LOG_BUFFER=
else
  logs=$(absolute "$logs") || exit
  mkdir -p "$logs"
  ACCESS_LOG=$logs/access.log ERROR_LOG=$logs/error.log ACCESS_LOG_BUFFER='buffer=64k flush=1s'
fi
USER_LINE=
if ((EUID == 0)); then
  USER_LINE='user www-data;'
  [[ $CV_ENV == production ]] || USER_LINE='user root;' # who alone may read root's clone
fi
# An answer that cannot be written is lost: both stores together take half of what is free, and 1.25 GB at most.
CACHE_MB=$(($(df --output=avail -m "$work" | tail -n 1) * 2 / 5))
((CACHE_MB <= 1024)) || CACHE_MB=1024
((CACHE_MB >= 4)) || CACHE_MB=4
VARIANTS_MB=$((CACHE_MB / 4))
DESCRIPTORS=$(ulimit -Hn)
[[ $DESCRIPTORS != unlimited ]] && ((DESCRIPTORS < 65536)) || DESCRIPTORS=65536
CONNECTIONS=$((DESCRIPTORS / 2))
# Eight serve more than a machine's network carries; more would only cost memory, 15 MB each for their connections, of
# which a container on a large machine has no more than on a small one.
PROCESSES=$(nproc)
((PROCESSES <= 8)) || PROCESSES=8
[[ -e $out/ffdhe2048.pem ]] ||
  openssl genpkey -genparam -algorithm DH -pkeyopt group:ffdhe2048 -out "$out/ffdhe2048.pem" # RFC 7919

fresh=$out/.fresh
rm -rf "$fresh" && mkdir "$fresh"
for template in "$root"/proxy/templates/*.in; do
  file=$(basename "$template" .in)
  # Checked where it is written first, then moved: the files name one another.
  OUT=$fresh envsubst "$(grep -o '\${[A-Z_]*}' "$template" | sort -u)" <"$template" >"$fresh/$file"
done
mv "$fresh/servers-${plain:+plain}${tls:+tls}.conf" "$fresh/servers.conf"
rm -f "$fresh"/servers-*.conf
[[ -z $plain ]] || rm "$fresh/tls.conf"
cp "$out/ffdhe2048.pem" "$fresh/"
nginx -t -q -c "$fresh/nginx.conf" -e stderr || fail "nginx does not take the configuration; what was there before stays"
for file in "$fresh"/*.conf; do
  sed -i "s#$fresh#$out#g" "$file"
  mv "$file" "$out/"
done
rm -rf "$fresh"

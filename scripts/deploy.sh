#!/usr/bin/env bash
# usage: scripts/deploy.sh [--no-pull]
#
# Brings the production compose stack of one Docker engine (DOCKER_HOST, e.g. ssh://deploy@cv.example.org) to the images
# that CV_REGISTRY and CV_TAG name: starts it where it does not run, else rolls it: the service without losing a request,
# then nginx and the page, while connections are refused for about a second. Settings as for docker-compose.prod.yml,
# from the environment or .env; or DEPLOY_ENV holds the text of a .env, which is there while this runs. Paths in them are
# the engine's: on another machine CV_DATA and TLS_DIR must be absolute (CV_DATA=media: a volume, at first with the
# samples), and the project is cv-backend unless COMPOSE_PROJECT_NAME says another. DEPLOY_KEY and DEPLOY_KNOWN_HOSTS,
# where set, are the ssh key and the known_hosts lines to use. --no-pull: the engine has the images already.
set -euo pipefail
script=$(readlink -f "$0")
cd "$(dirname "$script")/.."
# shellcheck source=scripts/lib/usage.sh
. scripts/lib/usage.sh
# shellcheck source=scripts/lib/compose.sh
. scripts/lib/compose.sh
pull=1
case ${1:-} in
  '') ;;
  --no-pull) pull= ;;
  *) usage "$script" "$1" ;;
esac
refuse() { echo "deploy.sh: $1" >&2; exit 78; }

# A secret that the forge does not have arrives as an empty value.
for name in DEPLOY_ENV DEPLOY_KEY DEPLOY_KNOWN_HOSTS; do
  [[ -z ${!name+set} || -n ${!name//[[:space:]]/} ]] || refuse "$name is empty: is the secret of that name set?"
done
[[ -z ${DEPLOY_ENV:-} || ! -e .env ]] || refuse "both DEPLOY_ENV and a .env are here: which one? Move one away"

made='' agent=''
finish() {
  [[ -z $made ]] || rm -f .env
  [[ -z $agent ]] || kill "$agent" || true
}
trap finish EXIT
if [[ -n ${DEPLOY_ENV:-} ]]; then
  made=1
  (umask 077; printf '%s\n' "$DEPLOY_ENV" | tr -d '\r' >.env)
fi

# setting NAME: as compose reads it: from the environment, else from .env.
setting() {
  if [[ -n ${!1+set} ]]; then printf '%s\n' "${!1}"; return; fi
  [[ ! -e .env ]] || sed -n "s/^[[:space:]]*$1=//p" .env | tail -n 1 |
    sed -E "s/^(['\"])(.*)\1[[:space:]]*(#.*)?$/\2/; t; s/[[:space:]]+#.*//; s/[[:space:]]+$//"
}
[[ -n $(setting ALLOWED_HOSTS) ]] || refuse "ALLOWED_HOSTS is not set: the host names of the site, by comma"
[[ -n $(setting SECRET_KEY) ]] || refuse "SECRET_KEY is not set: make one with: openssl rand -base64 48"
if [[ -n $pull ]]; then
  for name in CV_REGISTRY CV_TAG; do
    [[ -n $(setting "$name") ]] || refuse "$name is not set: it says which images to pull (--no-pull: none)"
  done
fi
if [[ ${DOCKER_HOST:-unix://} != unix://* ]]; then # compose would take a relative path for one of this machine
  data=$(setting CV_DATA) tls=$(setting TLS_DIR)
  [[ $data == /* || $data == media ]] ||
    refuse "CV_DATA is '$data': the absolute path of the CVs' folder on $DOCKER_HOST, or media for a volume"
  [[ $tls == /* || $(setting TLS_CERTIFICATE) == off ]] ||
    refuse "TLS_DIR is '$tls': the absolute path of the certificate's folder on $DOCKER_HOST"
  project=$(setting COMPOSE_PROJECT_NAME) # by itself it would be the name of this clone's folder
  export COMPOSE_PROJECT_NAME=${project:-cv-backend}
fi
file=$(setting COMPOSE_FILE)
export COMPOSE_FILE=${file:-docker-compose.prod.yml}

if [[ -n ${DEPLOY_KEY:-} ]]; then
  eval "$(ssh-agent -s)" >/dev/null
  agent=$SSH_AGENT_PID
  tr -d '\r' <<<"$DEPLOY_KEY" | ssh-add -q -
fi
if [[ -n ${DEPLOY_KNOWN_HOSTS:-} ]]; then
  (umask 077; mkdir -p ~/.ssh)
  [[ ! -s ~/.ssh/known_hosts || -z $(tail -c 1 ~/.ssh/known_hosts) ]] || echo >>~/.ssh/known_hosts
  while IFS= read -r line; do
    grep -qsxF -e "$line" ~/.ssh/known_hosts || printf '%s\n' "$line" >>~/.ssh/known_hosts
  done <<<"$DEPLOY_KNOWN_HOSTS"
fi
unset DEPLOY_ENV DEPLOY_KEY DEPLOY_KNOWN_HOSTS # nothing that is started from here on needs them

[[ -z $pull ]] || compose pull --quiet query-a query-b health proxy
running=$(compose ps -q query-a)
if [[ -n $running ]]; then
  scripts/roll.sh --proxy || {
    code=$?
    [[ -z $made ]] || echo "deploy.sh: the settings are those of DEPLOY_ENV: mend them there, and deploy again" >&2
    exit "$code"
  }
else
  compose up -d --no-build
fi

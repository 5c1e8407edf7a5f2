#!/usr/bin/env bash
# usage: scripts/deploy.sh [--no-pull]
#
# Brings the production compose stack of one Docker engine (DOCKER_HOST, e.g. ssh://deploy@cv.example.org) to the images
# that CV_REGISTRY and CV_TAG name: starts it where it does not run, else rolls it without losing a request. Settings as
# for docker-compose.prod.yml; paths in them, such as TLS_DIR, are the engine's. DEPLOY_KEY and DEPLOY_KNOWN_HOSTS,
# where set, are the ssh key and the known_hosts line to use. --no-pull: the engine has the images already.
set -euo pipefail
script=$(readlink -f "$0")
cd "$(dirname "$script")/.."
# shellcheck source=scripts/lib/usage.sh
. scripts/lib/usage.sh
# shellcheck source=/dev/null
. scripts/lib/compose.sh
pull=1
case ${1:-} in
  '') ;;
  --no-pull) pull= ;;
  *) usage "$script" "$1" ;;
esac
export COMPOSE_FILE=${COMPOSE_FILE:-docker-compose.prod.yml}
if [[ -n ${DEPLOY_KEY:-} ]]; then
  umask 077
  mkdir -p ~/.ssh
  eval "$(ssh-agent -s)" >/dev/null
  trap 'kill "$SSH_AGENT_PID"' EXIT
  ssh-add -q - <<<"$DEPLOY_KEY"
  [[ -z ${DEPLOY_KNOWN_HOSTS:-} ]] || printf '%s\n' "$DEPLOY_KNOWN_HOSTS" >>~/.ssh/known_hosts
fi
[[ -z $pull ]] || compose pull --quiet query-a query-b health proxy
if [[ -n $(compose ps -q query-a) ]]; then
  scripts/roll.sh --proxy
else
  compose up -d --no-build
fi

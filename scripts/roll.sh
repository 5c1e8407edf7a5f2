#!/usr/bin/env bash
# usage: scripts/roll.sh [--back] [--proxy] [--build]
#
# Brings the production compose stack to the images that CV_TAG names (in the environment or .env), without losing a
# request: replaces one instance of the service, waits until it is healthy, then the other, then the sidecar. What ran
# before is kept under the tag `previous`; an instance that does not get healthy is put back to it. --back: rolls to
# `previous`. --proxy: replaces nginx too, during which connections are refused for about a second. --build: builds
# the images first. Does nothing to what is up to date. COMPOSE_FILE and COMPOSE_PROJECT_NAME as compose takes them.
set -euo pipefail
script=$(readlink -f "$0")
cd "$(dirname "$script")/.."
# shellcheck source=scripts/lib/usage.sh
. scripts/lib/usage.sh
# shellcheck source=scripts/lib/compose.sh
. scripts/lib/compose.sh
back='' build='' services=(query-a query-b health)
for argument; do
  case $argument in
    --back) back=1 ;;
    --build) build=1 ;;
    --proxy) services+=(proxy) ;;
    *) usage "$script" "$argument" ;;
  esac
done
patience=${ROLL_TIMEOUT:-120} # seconds until an instance must be healthy
[[ -n ${COMPOSE_FILE:-} ]] || grep -qs '^COMPOSE_FILE=' .env || export COMPOSE_FILE=docker-compose.prod.yml

state() { docker inspect --format '{{.State.Status}} {{with .State.Health}}{{.Status}}{{end}}' "$1"; }
healthy() { [[ $(state "$1" 2>/dev/null) == 'running healthy' ]]; }
wait_healthy() { # wait_healthy SERVICE
  local deadline=$((SECONDS + patience)) id
  until id=$(compose ps -q "$1") && [[ -n $id ]] && healthy "$id"; do
    ((SECONDS < deadline)) || return 1
    sleep 0.2
  done
}
replace() { compose up -d --no-deps --no-build "$1" >&2; }
repository() { # of a service's image, which is named REPOSITORY:TAG
  local name
  name=$(docker inspect --format '{{.Config.Image}}' "$1")
  echo "${name%:*}"
}

[[ -z $build ]] || compose build >&2
for service in "${services[@]}"; do
  id=$(compose ps -q "$service")
  [[ -n $id ]] || { echo "roll.sh: $service does not run; start the stack with: up -d" >&2; exit 69; }
  declare "id_${service//-/_}=$id"
done
# Nothing is taken away before what is to stay serves.
for service in query-a query-b; do
  wait_healthy "$service" ||
    { echo "roll.sh: $service is not healthy; mend that first: its logs say why" >&2; exit 69; }
done
if [[ -n $back ]]; then
  export CV_TAG=previous
else
  for service in "${services[@]}"; do
    id=id_${service//-/_}
    docker tag "$(docker inspect --format '{{.Image}}' "${!id}")" "$(repository "${!id}"):previous"
  done
fi
for service in "${services[@]}"; do
  echo "roll.sh: $service" >&2
  if replace "$service" && wait_healthy "$service"; then continue; fi
  compose logs --no-color --tail=20 "$service" >&2 || true
  echo "roll.sh: $service has not become healthy within $patience s" >&2
  if [[ -z $back ]]; then
    CV_TAG=previous replace "$service" && wait_healthy "$service" &&
      echo "roll.sh: $service is back at what ran before; put the others back with: scripts/roll.sh --back" >&2
  fi
  exit 1
done

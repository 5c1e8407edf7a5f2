#!/usr/bin/env bash
# usage: scripts/roll.sh [--back] [--proxy] [--build]
#
# Brings the production compose stack to the images that CV_TAG names (in the environment or .env), without losing a
# request: replaces one instance of the service, waits until it is healthy, then the other, then the sidecar. An image
# that is replaced is kept under the tag `previous`; what does not get healthy with the new one is put back to it. That
# is the image alone: settings are what .env and the environment say, and are put back there. --back: rolls to
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
target() { # target SERVICE: the name of the image that it is to run, REPOSITORY:TAG
  awk -v "name=$1:" '/^[^ ]/ { all = $1 } all == "services:" && /^  [^ ]/ { one = $1 }
    one == name && /^    image:/ { print $2; exit }' <<<"$configured"
}
say() { echo "roll.sh: $*" >&2; }
exists() { docker image inspect "$1" >/dev/null 2>&1; }

[[ -z $build ]] || compose build >&2
[[ -z $back ]] || export CV_TAG=previous
configured=$(compose config)
declare -A running new
for service in "${services[@]}"; do
  id=$(compose ps -q "$service")
  [[ -n $id ]] || { say "$service does not run; start the stack with: up -d"; exit 69; }
  running[$service]=$(docker inspect --format '{{.Image}}' "$id")
  name=$(target "$service")
  exists "$name" || {
    if [[ -n $back ]]; then say "there is no image $name: nothing was rolled yet that could be taken back"
    else say "there is no image $name: build it (--build) or pull it; or is CV_TAG wrong?"; fi
    say "nothing was changed"
    exit 69
  }
  new[$service]=$(docker image inspect --format '{{.Id}}' "$name")
done
# Nothing is taken away before what is to stay serves.
for service in query-a query-b; do
  wait_healthy "$service" || { say "$service is not healthy; mend that first: its logs say why"; exit 69; }
done
for service in "${services[@]}"; do
  name=$(target "$service")
  previous=${name%:*}:previous
  # What is up to date leaves `previous` alone: that is still what to go back to.
  if [[ -z $back ]] && { [[ ${running[$service]} != "${new[$service]}" ]] || ! exists "$previous"; }; then
    docker tag "${running[$service]}" "$previous"
  fi
done
rolled=()
for service in "${services[@]}"; do
  say "$service"
  if ! replace "$service"; then say "compose could not replace $service; what it said stands above"
  elif wait_healthy "$service"; then rolled+=("$service"); continue
  else
    compose logs --no-color --tail=20 "$service" >&2 || true
    say "$service has not become healthy within $patience s"
  fi
  by_hand=''
  for name in COMPOSE_FILE COMPOSE_PROJECT_NAME CV_REGISTRY; do [[ -z ${!name:-} ]] || by_hand+="$name=${!name} "; done
  by_hand+="docker compose up -d --no-deps --no-build $service"
  why="settings are not put back, they are what .env and the environment say; mend them, then"
  if [[ ${running[$service]} == "${new[$service]}" ]]; then
    say "$service runs the image of before, so that cannot be put back; $why: ${CV_TAG:+CV_TAG=$CV_TAG }$by_hand"
  elif [[ -n $back ]]; then
    say "$why: CV_TAG=previous $by_hand"
  elif CV_TAG=previous replace "$service" && wait_healthy "$service"; then
    say "$service is back at what ran before"
    ((!${#rolled[@]})) || say "${rolled[*]} run what is new; put them back with: scripts/roll.sh --back"
  else
    say "$service could not be put back to its image of before either, and does not serve now"
    say "$why: CV_TAG=previous $by_hand"
  fi
  exit 1
done

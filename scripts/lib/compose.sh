# shellcheck shell=bash
# Sourced by the scripts beside this folder: docker compose, in whichever form this machine has it.

compose() {
  if docker compose version >/dev/null 2>&1; then docker compose "$@"
  elif type -P docker-compose >/dev/null; then docker-compose "$@"
  else echo "needs docker compose, or docker-compose 1.29" >&2; return 69; fi
}

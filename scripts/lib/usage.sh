# shellcheck shell=bash
# Sourced by the scripts beside this folder: help from the comment at the head of each, and what arguments mean.

# usage SCRIPT ARGUMENT: prints the script's usage and ends: well when it was asked for, else with 64 (EX_USAGE).
usage() {
  local to=1 code=0
  [[ $2 == -h || $2 == --help ]] || { to=2 code=64; echo "unknown argument: $2" >&2; }
  sed -n '2,/^set /s/^# \{0,1\}//p' "$1" >&"$to"
  exit "$code"
}

# from_caller PATH: a path as whoever called the script means it: from the folder that it left for the repository's root.
from_caller() {
  case $1 in
    '') echo "${0##*/}: an empty name is no folder" >&2; exit 64 ;;
    /*) echo "$1" ;;
    *) echo "$OLDPWD/$1" ;;
  esac
}

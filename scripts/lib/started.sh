# shellcheck shell=bash
# Sourced by start.sh and healthcheck.sh: what both must agree on. `config` holds the flags of the settings.
# shellcheck disable=SC2154,SC2034

# Where the folders are when those of production cannot be written.
elsewhere=${TMPDIR:-/tmp}/cv-backend-$UID

# is_own FOLDER: whether it is this user's and nobody else may enter; anybody can make one of that name in /tmp.
is_own() { [[ -d $1 && ! -L $1 && -O $1 && $(stat -c %a "$1") == *700 ]]; }

# read_settings CV_QUERY: has them ready for the next two; with what is bad or missing it fails and says so.
read_settings() {
  sources=$("$1" config "${config[@]}" 2>/dev/null) || true
  settings=$("$1" config --env "${config[@]}")
}
setting() { (eval "$settings" && printf %s "${!1}"); } # setting NAME: its value, from whatever source
is_default() { grep -q "^$1=.*# default\$" <<<"$sources"; } # is_default NAME: no flag, no variable and no file sets it

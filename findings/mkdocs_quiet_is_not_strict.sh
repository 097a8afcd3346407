#!/usr/bin/env bash
# mkdocs build --strict --quiet succeeds on pages whose links are broken.
#
# Version: mkdocs 1.6.1. By their help, --strict aborts a build on any warning, and --quiet
# silences warnings. One would expect a build with both to fail
# without a word. Seen instead: strictness counts only what is printed, so with --quiet the same
# site, with the same link to a page that does not exist, is built and the exit code is 0. A
# check in continuous integration that is made quiet no longer checks anything.
#
# Output seen:
#   --strict: exit code 1
#   --strict --quiet: exit code 0
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet mkdocs==1.6.1
mkdir "$folder/docs"
echo 'site_name: example' > "$folder/mkdocs.yml"
echo '[a page that does not exist](missing.md)' > "$folder/docs/index.md"
cd "$folder"

code() {
  local code=0
  venv/bin/mkdocs build "$@" > /dev/null 2>&1 || code=$?
  echo "$*: exit code $code"
}
seen=$(code --strict; code --strict --quiet)
echo "$seen"
[ "$seen" = "--strict: exit code 1
--strict --quiet: exit code 0" ] || { echo "the behaviour has changed"; exit 1; }

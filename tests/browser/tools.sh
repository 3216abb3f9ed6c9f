#!/bin/sh
# Finds what the browser tests need and is not ours, installing it where this machine is a bare Debian and we may.
#   tools.sh chromium     prints the path of a Chromium: $CHROME, or on PATH, or in /Applications
#   tools.sh firefox      prints the path of a Firefox on PATH
#   tools.sh redis        prints the path of redis-server on PATH, for tests/cluster
#   tools.sh axe DIR      prints the path of axe.min.js, fetched by npm into DIR once
set -eu

AXE=axe-core-4.10.3 # pinned: a new rule is to come with a change of the pages, not by itself

give_up() {
  echo "tests/browser: $*" >&2
  exit 1
}

# install COMMAND PACKAGES...: only as root on Debian, where it can be undone and nobody is surprised.
install() {
  command=$1
  shift
  if [ "$(id -u)" != 0 ] || [ ! -e /etc/debian_version ]; then
    give_up "no $command here. Install it ($* on Debian), or run \`make test-server\`, which leaves out what needs it."
  fi
  echo "tests/browser: installing $*" >&2
  { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"; } >&2 ||
    give_up "$* could not be installed"
}

find_chromium() {
  if [ -n "${CHROME:-}" ]; then
    command -v "$CHROME" || give_up "CHROME=$CHROME is not a program"
    return
  fi
  for name in chromium chromium-browser google-chrome; do
    command -v $name && return
  done
  for app in Chromium "Google Chrome"; do
    path="/Applications/$app.app/Contents/MacOS/$app"
    [ -x "$path" ] && echo "$path" && return
  done
  install Chromium chromium fonts-dejavu # without a font no text is drawn
  command -v chromium
}

find_firefox() {
  for name in firefox firefox-esr; do
    command -v $name && return
  done
  install Firefox firefox-esr fonts-dejavu
  command -v firefox-esr
}

find_redis() {
  command -v redis-server && return
  install Redis redis-server
  command -v redis-server
}

find_axe() {
  file=$1/$AXE/axe.min.js
  if [ ! -s "$file" ]; then
    command -v npm >/dev/null || install npm npm
    mkdir -p "$1/$AXE.new"
    cd "$1/$AXE.new"
    npm pack --silent "axe-core@${AXE##*-}" >/dev/null || give_up "npm could not fetch $AXE"
    tar -xzf "$AXE.tgz" package/axe.min.js
    mkdir -p "$1/$AXE"
    mv package/axe.min.js "$file"
    cd /
    rm -rf "$1/$AXE.new"
  fi
  echo "$file"
}

case ${1:-} in
  chromium) find_chromium ;;
  firefox) find_firefox ;;
  redis) find_redis ;;
  axe) find_axe "$2" ;;
  *) give_up "unknown: ${1:-nothing}" ;;
esac

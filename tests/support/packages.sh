#!/usr/bin/env bash
# What tests need of Debian: looks for the programs themselves and installs the packages of those that are missing,
# where it may. The servers that the packages start are not used: tests start their own.
set -euo pipefail

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
missing=()

need() { # need PACKAGES FILE… : none of the files exists
  local packages=$1 file
  shift
  for file in "$@"; do [ -e "$file" ] && return; done
  # shellcheck disable=SC2206
  missing+=($packages)
}

program() { command -v "$1" || echo /nowhere; }

need postgresql "$(program postgres)" /usr/lib/postgresql/*/bin/postgres
need redis-server "$(program redis-server)"
need clamav-daemon "$(program clamd)" /usr/sbin/clamd
need "tesseract-ocr tesseract-ocr-rus" "$(program tesseract)"
need chromium "$(program chromium)"
need chromium-driver "$(program chromedriver)"
need nodejs "$(program node)"
need npm "$(program npm)"
need systemd "$(program systemd-analyze)"
# llama-cpp-python comes as source.
need g++ "$(program c++)"
for language in ru en; do
  [ "$language" = en ] && package=debian-faq || package=debian-faq-$language
  need "$package" "$repository/../shared/data/debian-faq.$language.pdf" /usr/share/doc/debian/FAQ/debian-faq."$language".pdf*
done
[ ${#missing[@]} -eq 0 ] && exit 0

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  if ! sudo -n true 2>/dev/null; then
    echo "Tests need packages that are not installed. Run: sudo apt-get install ${missing[*]}" >&2
    exit 1
  fi
  as_root=(sudo -n)
fi
echo "Installing what tests need: ${missing[*]} …"
# Small images leave documentation out; the FAQ is wanted.
options=(-qq -y --no-install-recommends --reinstall -o DPkg::Lock::Timeout=300
  -o 'DPkg::Options::=--path-include=/usr/share/doc/debian/FAQ/*')
if ! { "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq update &&
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install "${options[@]}" "${missing[@]}" >/dev/null; } </dev/null; then
  echo "apt-get failed. Run it by hand: apt-get install ${missing[*]}" >&2
  exit 1
fi

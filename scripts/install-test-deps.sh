#!/usr/bin/env bash
# Installs what `make test` and `make bench` need on a Debian 12 that has a Rust toolchain.
# Run it as often as you like: what is there already is left alone, and then it needs no network.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."

PACKAGES=(
  build-essential cmake pkg-config # C parts of the crates (zlib-ng, ring, jemalloc)
  git ca-certificates
  curl jq openssl                  # tests from outside, and looking by hand
  chromium firefox-esr             # browser tests
  nginx-light                      # origin of tests and benches
  wrk nghttp2-client               # load by HTTP/1.1 and HTTP/2
)
NEXTEST_VERSION=0.9.143
DENY_VERSION=0.20.2

say() { printf '==> %s\n' "$*"; }
die() { printf 'install-test-deps: %s\n' "$*" >&2; exit 1; }

# A Node from npm knows only the authorities it was built with; the machine may have one of its own.
system_roots=/etc/ssl/certs/ca-certificates.crt
if [[ -z ${NODE_EXTRA_CA_CERTS:-} && -r $system_roots ]]; then
  export NODE_EXTRA_CA_CERTS=$system_roots
fi

log=$(mktemp)
policy=
cleanup() {
  rm -f "$log"
  if [[ -n $policy ]]; then as_root rm -f "$policy"; fi
}
trap cleanup EXIT

as_root() {
  if [[ $EUID -eq 0 ]]; then "$@"
  elif command -v sudo >/dev/null; then sudo -- "$@"
  else die "needs root or sudo for: $*"
  fi
}

# Runs a command quietly, twice if need be (registries hiccup), and shows its output if it fails.
quietly() {
  local attempt
  for attempt in 1 2; do
    if "$@" >"$log" 2>&1; then return; fi
    if [[ $attempt -eq 1 ]]; then
      say "failed, once more in 5 s: $*"
      sleep 5
    fi
  done
  tail -n 40 "$log" >&2
  die "failed: $*"
}

installed() { [[ $(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null) == installed ]]; }

install_packages() {
  local missing=() package
  for package in "${PACKAGES[@]}"; do
    installed "$package" || missing+=("$package")
  done
  # Any Node will do to fetch the tests' own. One that is not Debian's stays.
  command -v node >/dev/null || missing+=(nodejs)
  command -v npm >/dev/null || missing+=(npm)
  if [[ ${#missing[@]} -eq 0 ]]; then
    say "Debian packages: all there"
    return
  fi

  say "Debian packages: installing ${missing[*]}"
  # Tests start their own nginx; the package's service would take port 80 of this machine.
  if [[ ! -e /usr/sbin/policy-rc.d ]]; then
    policy=/usr/sbin/policy-rc.d
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
    as_root chmod 755 "$policy"
  fi
  quietly as_root apt-get -qq update
  quietly as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get -qq -y --no-install-recommends install "${missing[@]}"
}

# The Node of tests/browser/node comes first. Under Debian's own, npm would leave out every optional
# dependency that wants a newer one, without a word: Vite's native parts are such.
install_node() {
  install_node_modules tests/browser/node npm
  local node=(tests/browser/node/node_modules/node-linux-*/bin/node)
  [[ -x ${node[0]} ]] || die "there is no Node for $(uname -sm) in tests/browser/node"
  NPM=("$PWD/${node[0]}" "$PWD/tests/browser/node/node_modules/npm/bin/npm-cli.js")
}

# Arguments: the folder of a package.json, and the npm to use.
install_node_modules() {
  local folder=$1 stamp=$1/node_modules/.installed-from wanted
  wanted=$(cat "$folder"/package{,-lock}.json tests/browser/node/package-lock.json | sha256sum)
  if [[ -f $stamp && $(<"$stamp") == "$wanted" ]]; then
    say "Node modules of $folder: all there"
    return
  fi
  say "Node modules of $folder: npm ci"
  quietly npm_ci "$@"
  printf '%s\n' "$wanted" >"$stamp"
}

npm_ci() {
  local folder=$1
  shift
  (cd "$folder" && "$@" ci --no-audit --no-fund)
}

install_cargo_tool() {
  local name=$1 version=$2
  if cargo "$name" --version >/dev/null 2>&1; then
    say "cargo $name: there"
    return
  fi
  say "cargo $name: building $version, this takes some minutes"
  quietly cargo install --locked --quiet "cargo-$name" --version "$version"
  cargo "$name" --version >/dev/null 2>&1 || die "cargo $name was installed but does not run"
}

command -v apt-get >/dev/null || die "this is not Debian: install by hand ${PACKAGES[*]} nodejs npm"
command -v cargo >/dev/null || die "no cargo: install the Rust toolchain first, https://rustup.rs"

install_packages
install_node
install_node_modules tests/browser "${NPM[@]}"
install_node_modules static "${NPM[@]}"
install_cargo_tool nextest "$NEXTEST_VERSION"
install_cargo_tool deny "$DENY_VERSION"
say "everything tests need is installed"

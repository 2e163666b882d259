#!/usr/bin/env bash
# Installs what `make test` and `make bench` need on a Debian 12 that has a Rust toolchain.
# Run it as often as you like: what is there already is left alone, and then it needs no network.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/lib.sh

PACKAGES=(
  build-essential cmake pkg-config # C parts of the crates (zlib-ng, ring, jemalloc)
  git ca-certificates
  curl jq openssl                  # tests from outside, and looking by hand
  chromium firefox-esr             # browser tests
  webkit2gtk-driver xvfb dbus      # and a browser without data channels, which wants a screen
  gstreamer1.0-tools gstreamer1.0-plugins-good # make a film for them
  nginx-light                      # origin of tests and benches
  wrk nghttp2-client               # load by HTTP/1.1 and HTTP/2
  prometheus                       # takes the metrics, and promtool checks them
  iproute2 nftables                # tests with networks of their own, and with networks that drop
)
NEXTEST_VERSION=0.9.143
DENY_VERSION=0.20.2

# A Node from npm knows only the authorities it was built with; the machine may have one of its own.
system_roots=/etc/ssl/certs/ca-certificates.crt
if [[ -z ${NODE_EXTRA_CA_CERTS:-} && -r $system_roots ]]; then
  export NODE_EXTRA_CA_CERTS=$system_roots
fi

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
  shift
  # What the machine's cache has is not asked for again.
  quietly 300 env -C "$folder" "$@" ci --no-audit --no-fund --prefer-offline || die "npm ci failed in $folder"
  printf '%s\n' "$wanted" >"$stamp"
}

install_cargo_tool() {
  local name=$1 version=$2
  if cargo "$name" --version >/dev/null 2>&1; then
    say "cargo $name: there"
    return
  fi
  say "cargo $name: building $version, this takes some minutes"
  # Unoptimized: it runs for a second, and an optimized build takes minutes more than that.
  quietly 1800 cargo install --locked --quiet --debug "cargo-$name" --version "$version" || die "cargo $name does not build"
  cargo "$name" --version >/dev/null 2>&1 || die "cargo $name was installed but does not run"
}

command -v cargo >/dev/null || die "no cargo: install the Rust toolchain first, https://rustup.rs"

# Any Node will do to fetch the tests' own. One that is not Debian's stays.
command -v node >/dev/null || PACKAGES+=(nodejs)
command -v npm >/dev/null || PACKAGES+=(npm)
install_packages "${PACKAGES[@]}"
install_node
install_node_modules tests/browser "${NPM[@]}"
install_node_modules static "${NPM[@]}"
install_cargo_tool nextest "$NEXTEST_VERSION"
install_cargo_tool deny "$DENY_VERSION"
say "everything tests need is installed"

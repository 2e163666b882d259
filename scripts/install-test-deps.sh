#!/usr/bin/env bash
# Installs what `make test` needs on a Debian 12 that has a Rust toolchain.
# Run it as often as you like: what is there already is left alone, and then it needs no network.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/lib.sh

PACKAGES=(
  build-essential cmake pkg-config # C parts of the crates (zlib-ng, ring, jemalloc)
  git ca-certificates
  patch diffutils                  # vendor.mjs makes vendor/ again and compares
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

add_node_package
install_packages "${PACKAGES[@]}"
install_node
install_node_modules tests/browser "${NPM[@]}"
install_node_modules static "${NPM[@]}"
install_cargo_tool nextest "$NEXTEST_VERSION"
install_cargo_tool deny "$DENY_VERSION"
say "everything tests need is installed"

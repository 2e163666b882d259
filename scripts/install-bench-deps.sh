#!/usr/bin/env bash
# Installs what `make bench` needs on a Debian 12 that has a Rust toolchain: programs from Debian, the tunnels
# it compares with from crates.io, into tests/bench/.tools, and what the bench of the direct path runs on from npm.
# With --profile also perf and strace.
# Run it as often as you like: what is there already is left alone, and then it needs no network.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
. scripts/lib.sh

PACKAGES=(
  build-essential pkg-config # C parts of the crates
  nginx-light                # the origin
  wrk                        # load
  chromium                   # visitor of the direct path
  iproute2 util-linux        # networks of its own: ip, nsenter, unshare
)
TOOLS=tests/bench/.tools
BORE_VERSION=0.6.0
RATHOLE_VERSION=0.5.0

case ${1-} in
  '') ;;
  --profile) PACKAGES+=(linux-perf strace) ;;
  *) die "usage: $0 [--profile]" ;;
esac

# A tunnel that does not build with this toolchain is not the end: the bench says that it left it out.
install_tunnel() {
  local crate=$1 version=$2 program=$3
  shift 3
  if [[ $("$TOOLS/bin/$program" --version 2>/dev/null) == *"$version"* ]]; then
    say "$program $version: there"
    return
  fi
  say "$program $version: building, this takes some minutes"
  if ! quietly 1800 cargo install --quiet --root "$TOOLS" "$@" "$crate@$version"; then
    say "$program $version does not build here; the bench will run without it and say so"
  fi
}

command -v cargo >/dev/null || die "no cargo: install the Rust toolchain first, https://rustup.rs"

add_node_package
install_packages "${PACKAGES[@]}"
install_node
install_node_modules tests/browser "${NPM[@]}"
install_node_modules static "${NPM[@]}"
install_node_modules tests/bench/direct "${NPM[@]}"
install_tunnel bore-cli "$BORE_VERSION" bore --locked
# Plain TCP is what is compared; its TLS and Noise transports would need OpenSSL. Not --locked: its lock file has
# time 0.3.29, which no Rust since 1.80 compiles.
install_tunnel rathole "$RATHOLE_VERSION" rathole --no-default-features --features server,client
say "everything the bench needs is installed"

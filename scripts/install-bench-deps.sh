#!/usr/bin/env bash
# Installs what `make bench` needs on a Debian 12 that has a Rust toolchain: nginx and wrk from Debian, the tunnels
# it compares with from crates.io, into tests/bench/.tools. With --profile also perf and strace.
# Run it as often as you like: what is there already is left alone, and then it needs no network.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."

PACKAGES=(
  build-essential pkg-config # C parts of the crates
  nginx-light                # the origin
  wrk                        # load
)
TOOLS=tests/bench/.tools
BORE_VERSION=0.6.0
RATHOLE_VERSION=0.5.0

say() { printf '==> %s\n' "$*"; }
die() { printf 'install-bench-deps: %s\n' "$*" >&2; exit 1; }

case ${1-} in
  '') ;;
  --profile) PACKAGES+=(linux-perf strace) ;;
  *) die "usage: $0 [--profile]" ;;
esac

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
  return 1
}

installed() { [[ $(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null) == installed ]]; }

install_packages() {
  local missing=() package
  for package in "${PACKAGES[@]}"; do
    installed "$package" || missing+=("$package")
  done
  if [[ ${#missing[@]} -eq 0 ]]; then
    say "Debian packages: all there"
    return
  fi

  say "Debian packages: installing ${missing[*]}"
  # The bench starts its own nginx; the package's service would take port 80 of this machine.
  if [[ ! -e /usr/sbin/policy-rc.d ]]; then
    policy=/usr/sbin/policy-rc.d
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
    as_root chmod 755 "$policy"
  fi
  quietly as_root apt-get -qq update || die "apt-get update failed"
  quietly as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get -qq -y --no-install-recommends install "${missing[@]}" || die "apt-get install failed"
}

# A tunnel that does not build with this toolchain is not the end: the bench says that it left it out.
install_tunnel() {
  local crate=$1 version=$2 program=$3
  shift 3
  if [[ $("$TOOLS/bin/$program" --version 2>/dev/null) == *"$version"* ]]; then
    say "$program $version: there"
    return
  fi
  say "$program $version: building, this takes some minutes"
  if ! quietly cargo install --quiet --root "$TOOLS" "$@" "$crate@$version"; then
    say "$program $version does not build here; the bench will run without it and say so"
  fi
}

command -v apt-get >/dev/null || die "this is not Debian: install by hand ${PACKAGES[*]}"
command -v cargo >/dev/null || die "no cargo: install the Rust toolchain first, https://rustup.rs"

install_packages
install_tunnel bore-cli "$BORE_VERSION" bore --locked
# Plain TCP is what is compared; its TLS and Noise transports would need OpenSSL. Not --locked: its lock file has
# time 0.3.29, which no Rust since 1.80 compiles.
install_tunnel rathole "$RATHOLE_VERSION" rathole --no-default-features --features server,client
say "everything the bench needs is installed"

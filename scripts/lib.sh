# shellcheck shell=bash
# What the scripts that install something share; sourced, never run. Sets `log`, a file for what `quietly` hides.

say() { printf '==> %s\n' "$*"; }
die() { printf '%s: %s\n' "$(basename "$0" .sh)" "$*" >&2; exit 1; }

log=$(mktemp)
policy=
cleanup() {
  rm -f "$log"
  if [[ -n $policy ]]; then as_root rm -f "$policy"; fi
}
trap cleanup EXIT

# What a command that needs root begins with: nothing, or sudo.
root=()
if [[ $EUID -ne 0 ]]; then root=(sudo --); fi
as_root() {
  if [[ $EUID -ne 0 ]]; then
    command -v sudo >/dev/null || die "needs root or sudo for: $*"
    # Asks for a password here, for under `quietly` nobody would see the question.
    sudo -v
  fi
  "${root[@]}" "$@"
}

# Runs a command quietly, three times if need be (registries hiccup), and shows its output if it fails.
# The first argument is the deadline of an attempt in seconds: a registry that accepts and then says nothing
# is as common as one that refuses, and package managers wait for it for hours.
quietly() {
  local seconds=$1 attempt
  shift
  for attempt in 1 2 3; do
    if timeout --kill-after=10 "$seconds" "$@" >"$log" 2>&1; then return; fi
    if [[ $attempt -lt 3 ]]; then
      say "failed, or took more than $seconds s; once more in 5 s: $*"
      sleep 5
    fi
  done
  tail -n 40 "$log" >&2
  return 1
}

installed() { [[ $(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null) == installed ]]; }

# Installs those of the given Debian packages that are missing.
install_packages() {
  local missing=() package
  command -v apt-get >/dev/null || die "this is not Debian: install by hand $*"
  for package in "$@"; do
    installed "$package" || missing+=("$package")
  done
  if [[ ${#missing[@]} -eq 0 ]]; then
    say "Debian packages: all there"
    return
  fi

  say "Debian packages: installing ${missing[*]}"
  # Tests and benches start an nginx of their own; the package's service would take port 80 of this machine.
  if [[ ! -e /usr/sbin/policy-rc.d ]]; then
    policy=/usr/sbin/policy-rc.d
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
    as_root chmod 755 "$policy"
  fi
  quietly 300 "${root[@]}" apt-get -qq update || die "apt-get update failed"
  quietly 1200 "${root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get -qq -y --no-install-recommends install "${missing[@]}" || die "apt-get install failed"
}

# Any Node will do to fetch the tests' own. One that is not Debian's stays. To be called before install_packages.
add_node_package() {
  command -v node >/dev/null || PACKAGES+=(nodejs)
  command -v npm >/dev/null || PACKAGES+=(npm)
}

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

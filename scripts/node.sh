#!/usr/bin/env bash
# Runs the Node that the tests bring (tests/browser/node): Debian's is too old to run TypeScript.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
for node in "$root"/tests/browser/node/node_modules/node-linux-*/bin/node; do
  if [[ -x $node ]]; then exec "$node" "$@"; fi
done
printf 'node.sh: there is no Node in tests/browser/node: run scripts/install-test-deps.sh\n' >&2
exit 1

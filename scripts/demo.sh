#!/usr/bin/env bash
# Builds, starts an edge on loopback and shares an app: the sample app, or yours with PORT=…
# Ctrl-C ends all of it.
set -euo pipefail
cd "$(dirname "$0")/.."

EDGE_PORT=${EDGE_PORT:-8080}
METRICS_PORT=${METRICS_PORT:-9090}
PROFILE=${PROFILE:-release}
NAME=${NAME:-demo}

echo "building (the first time takes some minutes) …"
flags=(--locked -p wingman-edge -p wingman-host)
[ -n "${PORT:-}" ] || flags+=(-p wingman-sample-app)
[ "$PROFILE" = release ] && flags+=(--release)
cargo build "${flags[@]}"
bin="$PWD/target/$PROFILE"
[ "$PROFILE" = release ] || bin="$PWD/target/debug"

log=$(mktemp -d)
pids=()
stop() {
  trap - EXIT INT TERM
  # The host says goodbye while its edge is still there.
  for ((i = ${#pids[@]} - 1; i >= 0; i--)); do
    kill "${pids[$i]}" 2>/dev/null || true
    wait "${pids[$i]}" 2>/dev/null || true
  done
  rm -rf "$log"
}
trap stop EXIT
trap 'exit 130' INT TERM

# A process of ours that ended at once has said why.
started() { kill -0 "$1" 2>/dev/null || { cat "$2" >&2; exit 1; }; }

"$bin/wingman-edge" --dev --listen "127.0.0.1:$EDGE_PORT" --metrics "127.0.0.1:$METRICS_PORT" \
  --log-level warn >"$log/edge" 2>&1 &
pids+=($!)
for _ in $(seq 100); do
  started "${pids[0]}" "$log/edge"
  (exec 3<>"/dev/tcp/127.0.0.1/$EDGE_PORT") 2>/dev/null && break
  sleep 0.05
done

target=${PORT:-}
if [ -z "$target" ]; then
  "$bin/sample-app" >"$log/app" 2>&1 &
  pids+=($!)
  for _ in $(seq 100); do
    started "${pids[1]}" "$log/app"
    target=$(sed -n 's/.*"port":\([0-9]*\).*/\1/p' "$log/app" | head -n 1)
    [ -n "$target" ] && break
    sleep 0.05
  done
fi

# In the foreground: its view belongs to the terminal, and Ctrl-C reaches it first.
status=0
"$bin/wingman" "$target" --edge "http://localhost:$EDGE_PORT" --name "$NAME" ${DEMO_ARGS:-} || status=$?
exit "$status"

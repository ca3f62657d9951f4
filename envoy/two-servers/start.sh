#!/usr/bin/env bash
# Starts the example of two servers, from the root of the repository, after `make filter native`; Ctrl-C ends all of it. What it writes
# lies in .run/two-servers, as the paths in policy.yaml and auth.yaml say.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
state=.run/two-servers
umask 077
mkdir -p "$state"

# --- once: what the servers and the authorization server need -----------------------------------------------------------
python="$(tests/obtain/python-venv.sh "$here/requirements.txt" two-servers)"
envoy="$(tests/obtain/envoy.sh)"
[ -s "$state/notes.pem" ] || openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 \
  -subj /CN=notes.internal -addext subjectAltName=DNS:notes.internal \
  -keyout "$state/notes.key" -out "$state/notes.pem" 2>/dev/null
[ -s "$state/data.key" ] || target/debug/wicketgate-auth generate-key >"$state/data.key"
[ -s "$state/demo.password" ] || openssl rand -base64 18 >"$state/demo.password"

# --- from the policy: the filter's configuration, and Envoy's -----------------------------------------------------------
target/debug/wicketgate render "$here/policy.yaml" --to ecds --wasm target/wicketgate.wasm --out "$state/filter.yaml"
target/debug/wicketgate render envoy "$here/policy.yaml" --out "$state/envoy.yaml"

# --- what runs ----------------------------------------------------------------------------------------------------------
pids=()
start() { # NAME COMMAND...
  "${@:2}" >"$state/$1.log" 2>&1 &
  pids+=("$!")
}
stop() {
  rm -f "$state/ready.json"
  kill "${pids[@]}" 2>/dev/null || true
  wait
}
trap stop EXIT
trap 'exit 130' INT TERM

# A server that speaks TLS.
start notes target/debug/wicketgate-sample-server --listen 127.0.0.1:3443 --certificate "$state/notes.pem" --key "$state/notes.key"
# A published server for standard input and output, and a published bridge before it.
start time "$(dirname "$python")/mcp-proxy" --host 127.0.0.1 --port 3002 \
  -- "$(dirname "$python")/mcp-server-time" --local-timezone UTC
start auth target/debug/wicketgate-auth serve --config "$here/auth.yaml"
start envoy "$envoy" -c "$state/envoy.yaml" --use-dynamic-base-id

# --- until all of it answers --------------------------------------------------------------------------------------------
patience=600
while ! (: </dev/tcp/127.0.0.1/3443 && : </dev/tcp/127.0.0.1/3002 &&
  target/debug/wicketgate canary http://127.0.0.1:8080/time) >/dev/null 2>&1; do
  for pid in "${pids[@]}"; do
    kill -0 "$pid" 2>/dev/null || { tail -n 5 "$state"/*.log >&2; exit 1; }
  done
  [ $((patience -= 1)) -gt 0 ] || { echo "start: not all of it answers; the logs lie in $state" >&2; exit 1; }
  sleep 0.2
done
# What `make token` reads.
cat >"$state/ready.json" <<JSON
{"mcp": "http://127.0.0.1:8080/notes", "issuer": "http://127.0.0.1:8080", "envoy_admin": "http://127.0.0.1:9901",
 "login": {"user": "demo", "password": "$(cat "$state/demo.password")"},
 "sidecar": {"public": "http://127.0.0.1:9000", "internal": "http://127.0.0.1:9001", "admin": "http://127.0.0.1:9002",
             "metrics": "http://127.0.0.1:9003"},
 "pids": {"notes": ${pids[0]}, "time": ${pids[1]}, "sidecar": ${pids[2]}, "envoy": ${pids[3]}}}
JSON
echo "ready: http://127.0.0.1:8080/notes and http://127.0.0.1:8080/time, as demo / $(cat "$state/demo.password")"
wait -n "${pids[@]}" || true
echo "start: one of them ended; the logs lie in $state" >&2
exit 1

#!/bin/bash
# Measures Kiln beside its peers on this machine: `run.sh KILN DENO`, as root. Takes some minutes; leaves nothing behind.
set -euo pipefail

kiln=$(readlink -f "${1:?usage: run.sh KILN DENO}")
deno=$(readlink -f "${2:?usage: run.sh KILN DENO}")
here=$(dirname "$(readlink -f "$0")")
[ "$(id -u)" = 0 ] || { echo "bench: running functions as containers needs root." >&2; exit 1; }
for tool in umoci skopeo buildah podman pigz runc nginx wrk; do
    command -v $tool >/dev/null || { echo "bench: $tool is missing; run: scripts/setup.sh bench" >&2; exit 1; }
done

echo "$(nproc) cores, Linux $(uname -r), $(. /etc/os-release; echo "$PRETTY_NAME"), load before: $(cut -d' ' -f1-3 /proc/loadavg)"
python3 "$here/platform/main.py" "$kiln" "$deno"
python3 "$here/platform/many.py" "$kiln" "$deno"
python3 "$here/platform/imports.py" "$kiln" "$deno"
python3 "$here/platform/builds.py" "$kiln" "$deno"
for threads in 1 2; do
    THREADS=$threads "$here/router/run.sh" "$kiln" 5 3
done
echo "load after: $(cut -d' ' -f1-3 /proc/loadavg)"

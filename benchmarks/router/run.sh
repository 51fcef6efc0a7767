#!/bin/bash
# Measures a Kiln router beside nginx, and beside HAProxy where it is installed, in one run on one machine: the same upstream (an nginx
# with one worker), the same client (wrk), the same number of threads, rounds interleaved so that all of them meet the
# same moods of the machine. The sturdy figures are CPU per request and the ratios; requests per second depend on what else runs.
#
#   [THREADS=2] [CONNECTIONS=64] [UPSTREAM=unix|tcp] [CASES="small get-16k get-1m post-1k"] \
#       benchmarks/router/run.sh PATH-TO-KILN [ROUNDS] [SECONDS]
#
# The router is run as `kiln router`; its Deployer is played by an nginx that serves one route table and trickles heartbeats.
set -euo pipefail

kiln=${1:?usage: run.sh PATH-TO-KILN [ROUNDS] [SECONDS]}
rounds=${2:-5}
seconds=${3:-4}
threads=${THREADS:-2}
connections=${CONNECTIONS:-64}
upstream=${UPSTREAM:-unix}
cases=${CASES:-small get-16k get-1m post-1k}
kiln=$(readlink -f "$kiln")
for tool in wrk nginx curl awk; do
    command -v $tool >/dev/null || { echo "$tool is missing; run: scripts/setup.sh bench" >&2; exit 1; }
done

work=$(mktemp -d)
chmod 755 "$work"
processes=()
cleanup() {
    for pid in "${processes[@]}"; do kill "$pid" 2>/dev/null || true; done
    wait 2>/dev/null || true
    rm -rf "$work"
}
trap cleanup EXIT

free_port() {
    local port
    while :; do
        port=$((20000 + RANDOM % 12000))
        (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo $port; return; }
    done
}

as_root=""
[ "$(id -u)" = 0 ] && as_root="user root;"
mkdir -p "$work/state/run" "$work/www" "$work/nginx"
chmod 700 "$work/state"
declare -A bytes=([1k]=1024 [16k]=16384 [64k]=65536 [1m]=1048576)
for size in "${!bytes[@]}"; do
    head -c "${bytes[$size]}" /dev/zero | tr '\0' 'x' > "$work/www/$size"
    cat > "$work/post-$size.lua" <<LUA
wrk.method = "POST"
wrk.body = string.rep("x", ${bytes[$size]})
wrk.headers["Content-Type"] = "application/octet-stream"
LUA
done

common="worker_rlimit_nofile 8192; daemon off; error_log $work/nginx/error.log; $as_root"
http="access_log off; sendfile on; keepalive_requests 100000000; client_body_temp_path $work/nginx/b; proxy_temp_path $work/nginx/p;
    fastcgi_temp_path $work/nginx/f; uwsgi_temp_path $work/nginx/u; scgi_temp_path $work/nginx/s; client_body_buffer_size 128k;"

case $upstream in
unix)
    listen=unix:$work/upstream.sock server=unix:$work/upstream.sock haproxy_server=unix@$work/upstream.sock
    address='{"unix":{"path":"'$work/upstream.sock'"}}'
    ;;
tcp)
    upstream_port=$(free_port)
    listen=127.0.0.1:$upstream_port server=127.0.0.1:$upstream_port haproxy_server=127.0.0.1:$upstream_port
    address='{"tcp":{"host":"127.0.0.1","port":'$upstream_port'}}'
    ;;
*)
    echo "UPSTREAM is unix or tcp, not $upstream" >&2
    exit 2
    ;;
esac

# The upstream: what a function would be, but as cheap as it gets. It answers a POST before it has read its body: one that does not come with the head,
# post-1m say, measures how an early answer ends an upload.
cat > "$work/upstream.conf" <<CONF
worker_processes 1; pid $work/nginx/upstream.pid; $common
events { worker_connections 4096; }
http { $http
    server {
        listen $listen;
        client_max_body_size 0;
        location /get- { alias $work/www/; }
        location / { return 200 "hello from upstream\n"; }
    }
}
CONF

# The Deployer: one table, then heartbeats at a few bytes per second.
route='{"snapshot":{"version":{"epoch":"bench","number":1},"routes":{"bench":{"targets":[{"revision":1,"weight":100,"timeoutMilliseconds":30000,"concurrency":10000,"endpoints":[{"id":"bench-1","address":'$address'}]}],"pinned":[]}}}}'
{
    echo "$route"
    for _ in $(seq 2000); do echo '{"heartbeat":{}}'; done
} > "$work/www/routes"
cat > "$work/deployer.conf" <<CONF
worker_processes 1; pid $work/nginx/deployer.pid; $common
events { worker_connections 64; }
http { $http
    server {
        listen unix:$work/state/run/deployer.sock;
        location = /internal/routes { alias $work/www/routes; limit_rate_after $((${#route} + 1)); limit_rate 8; }
        location / { return 204; }
    }
}
CONF

nginx_port=$(free_port)
cat > "$work/proxy.conf" <<CONF
worker_processes $threads; pid $work/nginx/proxy.pid; $common
events { worker_connections 4096; }
http { $http
    upstream bench { server $server; keepalive 256; keepalive_requests 100000000; }
    server {
        listen 127.0.0.1:$nginx_port;
        location /fn/bench {
            rewrite ^/fn/bench/?(.*)\$ /\$1 break;
            proxy_pass http://bench;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host \$http_host;
            proxy_set_header X-Forwarded-For \$remote_addr;
            proxy_set_header X-Forwarded-Proto http;
            proxy_set_header X-Forwarded-Host \$http_host;
            proxy_set_header X-Forwarded-Prefix /fn/bench;
            proxy_set_header X-Request-Id \$request_id;
            proxy_set_header Via "1.1 nginx";
            add_header X-Request-Id \$request_id;
            add_header Via "1.1 nginx";
            proxy_request_buffering off;
            client_max_body_size 0;
        }
    }
}
CONF

haproxy_port=$(free_port)
cat > "$work/haproxy.cfg" <<CONF
global
    nbthread $threads
defaults
    mode http
    timeout client 30s
    timeout server 30s
    timeout connect 5s
    http-reuse always
    option forwardfor
frontend in
    bind 127.0.0.1:$haproxy_port
    unique-id-format %[uuid()]
    http-request replace-path ^/fn/bench/?(.*)\$ /\1
    http-request set-header X-Forwarded-Proto http
    http-request set-header X-Forwarded-Host %[req.hdr(host)]
    http-request set-header X-Forwarded-Prefix /fn/bench
    http-request set-header X-Request-Id %[unique-id]
    http-request set-header Via "1.1 haproxy"
    http-response set-header X-Request-Id %[unique-id]
    http-response set-header Via "1.1 haproxy"
    default_backend up
backend up
    server one $haproxy_server
CONF

kiln_port=$(free_port)
nginx -p "$work" -c "$work/upstream.conf" & processes+=($!)
nginx -p "$work" -c "$work/deployer.conf" & processes+=($!)
nginx -p "$work" -c "$work/proxy.conf" & nginx_pid=$!; processes+=($nginx_pid)
"$kiln" router --state-dir "$work/state" --listen "127.0.0.1:$kiln_port" --threads "$threads" \
    > "$work/kiln.log" 2>&1 & kiln_pid=$!; processes+=($kiln_pid)
names=(nginx kiln)
declare -A port=([nginx]=$nginx_port [kiln]=$kiln_port) pid=([nginx]=$nginx_pid [kiln]=$kiln_pid)
if command -v haproxy >/dev/null; then
    haproxy -f "$work/haproxy.cfg" & haproxy_pid=$!; processes+=($haproxy_pid)
    names+=(haproxy); port[haproxy]=$haproxy_port; pid[haproxy]=$haproxy_pid
fi

for name in "${names[@]}"; do
    for _ in $(seq 100); do
        curl -sf -o /dev/null "http://127.0.0.1:${port[$name]}/fn/bench" && continue 2
        sleep 0.1
    done
    echo "$name does not answer" >&2
    [ "$name" = kiln ] && cat "$work/kiln.log" >&2
    exit 1
done

# CPU ticks of a process and its children, in user mode and in all: nginx works in child processes.
ticks() {
    local process
    for process in "$1" $(cat "/proc/$1/task/"*"/children" 2>/dev/null); do
        awk '{sub(/.*\) /, ""); print $12, $12 + $13}' "/proc/$process/stat"
    done | awk '{user += $1; all += $2} END {print user, all}'
}
resident() {
    local total=0 process
    for process in "$1" $(cat "/proc/$1/task/"*"/children" 2>/dev/null); do
        total=$((total + $(awk '/^VmRSS/ {print $2}' "/proc/$process/status")))
    done
    echo $total
}
hertz=$(getconf CLK_TCK)

measure() { # scenario proxy, wrk arguments follow
    local scenario=$1 name=$2 user_before user all_before all
    shift 2
    read -r user_before all_before <<< "$(ticks "${pid[$name]}")"
    wrk -t1 -c"$connections" -d"${seconds}s" --latency "$@" > "$work/wrk.txt"
    read -r user all <<< "$(ticks "${pid[$name]}")"
    awk -v scenario="$scenario" -v name="$name" -v cpu=$(((all - all_before) * 1000000 / hertz)) \
        -v user=$(((user - user_before) * 1000000 / hertz)) '
        function ms(text) { value = text + 0; return text ~ /us$/ ? value / 1000 : text ~ /ms$/ ? value : value * 1000 }
        /50%/ { p50 = ms($2) } /99%/ { p99 = ms($2) } /requests in/ { count = $1 } /Requests\/sec/ { rate = $2 }
        /Non-2xx/ { errors = $NF } /Socket errors/ { errors += $4 + $6 + $8 + $10 }
        END { printf "%s %s %.0f %.2f %.3f %.3f %d %.2f\n", scenario, name, rate, cpu / (count ? count : 1), p50, p99, errors,
            user / (count ? count : 1) }
    ' "$work/wrk.txt" >> "$work/results"
}

for name in "${names[@]}"; do
    wrk -t1 -c"$connections" -d1s "http://127.0.0.1:${port[$name]}/fn/bench" > /dev/null
done
: > "$work/results"
for ((round = 1; round <= rounds; round++)); do
    echo "round $round of $rounds" >&2
    for name in "${names[@]}"; do
        url="http://127.0.0.1:${port[$name]}/fn/bench"
        for case in $cases; do
            case $case in
            small) measure small "$name" "$url" ;;
            get-*) measure "$case" "$name" "$url/$case" ;;
            post-*) measure "$case" "$name" -s "$work/$case.lua" "$url" ;;
            esac
        done
    done
done

echo
echo "$(nproc) cores, $threads threads each, $connections connections, upstream $upstream, $rounds rounds of ${seconds}s; medians"
awk '
    function median(list, n,    i, j, t) {
        for (i = 2; i <= n; i++) { t = list[i]; for (j = i - 1; j >= 1 && list[j] > t; j--) list[j + 1] = list[j]; list[j + 1] = t }
        return n % 2 ? list[(n + 1) / 2] : (list[n / 2] + list[n / 2 + 1]) / 2
    }
    function column(key, field,    i, list) { for (i = 1; i <= n[key]; i++) list[i] = v[key, field, i]; return median(list, n[key]) }
    { key = $1 SUBSEP $2; n[key]++; for (f = 3; f <= 8; f++) v[key, f, n[key]] = $f
      if (!($1 in seen)) { seen[$1]; order[++scenarios] = $1 } if (!($2 in known)) { known[$2]; names[++count] = $2 } errors[key] += $7 }
    END {
        printf "%-8s %-8s %9s %8s %9s %9s %8s %8s %8s %7s\n", "case", "proxy", "req/s", "ratio", "us CPU", "us user", "req/CPU", "p50 ms", "p99 ms", "errors"
        for (s = 1; s <= scenarios; s++) for (p = 1; p <= count; p++) {
            key = order[s] SUBSEP names[p]; base = order[s] SUBSEP "nginx"
            printf "%-8s %-8s %9.0f %8.2f %9.1f %9.1f %8.2f %8.2f %8.2f %7d\n", order[s], names[p], column(key, 3),
                column(key, 3) / column(base, 3), column(key, 4), column(key, 8), column(base, 4) / column(key, 4), column(key, 5), column(key, 6), errors[key]
        }
        print "ratio: requests per second against nginx; req/CPU: requests per CPU second against nginx (both: more is better)"
    }' "$work/results"
for name in "${names[@]}"; do echo "resident after the run, $name: $(($(resident "${pid[$name]}") / 1024)) MiB"; done

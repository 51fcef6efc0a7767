import FoundationEssentials
import Support

/// A small HTTP server in another language that answers as its path says, and misbehaves on request.
struct Peer: Sendable {
    /// `http://127.0.0.1:port`.
    let url: String
    /// The same server on a unix socket.
    let socket: String
}

/// Runs a ``Peer`` beside `body`.
func withPeer<Result: Sendable>(_ body: @Sendable (Peer) async throws -> Result) async throws -> Result {
    let socket = "/tmp/kiln-peer-\(UInt32.random(in: 0 ... .max)).sock"
    defer { try? FileManager.default.removeItem(atPath: socket) }
    return try await withChildReady("python3", ["-uc", peerScript, socket]) { port in
        try await body(Peer(url: "http://127.0.0.1:\(port)", socket: socket))
    }
}

private let peerScript = #"""
    import hashlib, json, os, socket, sys, threading, time
    from urllib.parse import urlsplit, parse_qs

    lock = threading.Lock()
    counters, closed, connections = {}, {}, [0]

    def serve(sock):
        sock.listen(64)
        while True:
            peer, _ = sock.accept()
            with lock:
                connections[0] += 1
                number = connections[0]
            threading.Thread(target=connection, args=(peer, number), daemon=True).start()

    def connection(peer, number):
        try:
            if peer.family == socket.AF_INET:
                peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            reader = peer.makefile('rb', 1 << 20)
            while exchange(peer, reader, number): pass
        except (OSError, ValueError):
            pass
        finally:
            peer.close()

    def chunks(reader, headers):
        if headers.get('transfer-encoding') == 'chunked':
            while True:
                size = int(reader.readline(), 16)
                data = reader.read(size)
                reader.readline()
                if not size: return
                yield data
        else:
            left = int(headers.get('content-length', '0'))
            while left:
                data = reader.read(min(left, 1 << 20))
                if not data: raise ValueError
                left -= len(data)
                yield data

    def answer(peer, status, body=b'', headers=()):
        lines = ['HTTP/1.1 %s X' % status, 'Content-Length: %d' % len(body), *headers]
        peer.sendall(('\r\n'.join(lines) + '\r\n\r\n').encode() + body)

    def exchange(peer, reader, number):
        line = reader.readline().decode()
        if not line: return False
        method, target, _ = line.split()
        raw = []
        while True:
            field = reader.readline().decode('latin-1').rstrip('\r\n')
            if not field: break
            raw.append(field)
        headers = {f.split(':', 1)[0].lower(): f.split(':', 1)[1].strip() for f in raw}
        url = urlsplit(target)
        query = {k: v[0] for k, v in parse_qs(url.query).items()}
        get = lambda name, default: int(query.get(name, default))
        path = url.path
        if path == '/early':
            answer(peer, 413, b'too much')
            return False
        if path == '/duplex':
            peer.sendall(b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n')
            for data in chunks(reader, headers):
                peer.sendall(b'%x\r\n%s\r\n' % (len(data), data))
            peer.sendall(b'0\r\n\r\n')
            return True
        if path == '/go':
            with lock: counters['go'] = 1
        while path == '/patient':
            with lock:
                if counters.get('go'): break
            time.sleep(0.005)
        digest, count = hashlib.sha256(), 0
        for data in chunks(reader, headers):
            count += len(data)
            if path == '/echo': digest.update(data)
        if path in ('/echo', '/patient'):
            facts = {'method': method, 'target': target, 'headers': raw, 'length': count, 'sha256': digest.hexdigest(),
                     'connection': number}
            answer(peer, 200, b'' if method == 'HEAD' else json.dumps(facts).encode(), ['X-Multi: a', 'X-Multi: b'])
        elif path == '/big':
            peer.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n' % get('bytes', 0))
            block, left = b'\x5a' * (1 << 20), get('bytes', 0)
            sent = 0
            while left:
                part = block[:min(left, len(block))]
                peer.sendall(part)
                left -= len(part)
                sent += len(part)
                with lock: counters['big' + query.get('id', '')] = sent
        elif path == '/lines':
            peer.sendall(b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n')
            for i in range(get('count', 3)):
                line = b'{"line":%d}\n' % i
                peer.sendall(b'%x\r\n%s\r\n' % (len(line), line))
                time.sleep(get('ms', 10) / 1000)
            peer.sendall(b'0\r\nX-Trailer: t\r\n\r\n')
        elif path == '/hang':
            with lock: counters[query.get('id')] = 1
            if get('head', 1): peer.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc')
            peer.settimeout(20)
            try: gone = peer.recv(1) == b''
            except OSError: gone = True
            with lock: closed[query.get('id')] = gone
            return False
        elif path == '/closed':
            for _ in range(1000):
                with lock:
                    if query['id'] in closed: break
                time.sleep(0.01)
            answer(peer, 200 if closed.get(query['id']) else 404)
        elif path == '/count':
            with lock: value = counters.get(query['id'], 0)
            answer(peer, 200, b'%d' % value)
        elif path == '/truncated':
            peer.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc')
            return False
        elif path == '/truncated-chunk':
            peer.sendall(b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab')
            return False
        elif path == '/drop':
            return False
        elif path == '/garbage':
            peer.sendall(b'SSH-2.0-OpenSSH\r\n')
            return False
        elif path == '/long-head':
            peer.sendall(b'HTTP/1.1 200 OK\r\n' + b''.join(b'X-%d: %s\r\n' % (i, b'a' * 1000) for i in range(400)) + b'\r\n')
            return False
        elif path == '/interim':
            peer.sendall(b'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n')
            answer(peer, 200, b'final', ['X-Final: 1'])
        elif path == '/flaky':
            with lock:
                counters[query['id']] = seen = counters.get(query['id'], 0) + 1
            if seen <= get('fails', 1):
                if query.get('how') == 'drop': return False
                if query.get('how') == 'truncate':
                    peer.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc')
                    return False
                answer(peer, get('status', 503), b'later', ['Retry-After: ' + query['after']] if 'after' in query else [])
            else: answer(peer, 200, b'%d' % seen)
        elif path == '/slow':
            time.sleep(get('ms', 100) / 1000)
            answer(peer, 200, b'slow')
        elif path == '/redirect':
            answer(peer, 307, b'', ['Location: /echo'])
        else:
            answer(peer, 404)
        return headers.get('connection', '').lower() != 'close'

    tcp = socket.socket()
    tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    tcp.bind(('127.0.0.1', 0))
    local = socket.socket(socket.AF_UNIX)
    local.bind(sys.argv[1])
    local.listen(64)
    tcp.listen(64)
    threading.Thread(target=serve, args=(local,), daemon=True).start()
    print(tcp.getsockname()[1], flush=True)
    serve(tcp)
    """#

import OCI
import Support
import Transfer

/// A registry in memory that is right in everything but what the first part of the repository's name says.
struct AwkwardRegistry: Sendable {
    let url: String
    let client: HTTPClient

    /// A client of it that gives up quickly.
    func registry(
        _ credentials: RegistryEndpoint.Credentials = .anonymous, trusting hosts: Set<String> = [],
        source: (any CredentialSource)? = nil
    ) -> Registry {
        Registry(
            RegistryEndpoint(name: "awkward", url: url, credentials: credentials, trustedHosts: hosts), client: client,
            retry: RetryPolicy(attempts: 4, firstPause: .milliseconds(1), deadline: .seconds(30)),
            credentials: source)
    }

    /// How many upload sessions are open.
    func openSessions() async throws -> String { try await client.collect(ClientRequest(.get, url + "/open")).text }

    /// What the registry noted under `key`.
    func note(_ key: String) async throws -> String {
        try await client.collect(ClientRequest(.get, url + "/note?" + key)).text
    }
}

/// Runs an ``AwkwardRegistry`` beside `body`.
func withAwkwardRegistry<Result: Sendable>(_ body: @Sendable (AwkwardRegistry) async throws -> Result) async throws
    -> Result
{
    try await withChildReady("python3", ["-uc", script]) { port in
        try await body(AwkwardRegistry(url: "http://127.0.0.1:\(port)", client: HTTPClient()))
    }
}

private let script = #"""
    import base64, hashlib, json, re, threading
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
    from urllib.parse import urlsplit, parse_qs

    lock = threading.Lock()
    blobs, manifests, tags, sessions, seen, notes, parts, referring = {}, {}, {}, {}, {}, {}, {}, {}
    sha = lambda data: 'sha256:' + hashlib.sha256(data).hexdigest()
    store, places = None, set()

    def first(key):
        with lock:
            seen[key] = seen.get(key, 0) + 1
            return seen[key] == 1

    class Handler(BaseHTTPRequestHandler):
        protocol_version = 'HTTP/1.1'
        def log_message(self, *arguments): pass

        def say(self, status, body=b'', cut=None, **headers):
            self.send_response(status)
            for name, value in headers.items(): self.send_header(name.replace('_', '-'), value)
            self.send_header('Content-Length', str(len(body)))
            self.end_headers()
            if self.command != 'HEAD': self.wfile.write(body if cut is None else body[:cut])
            if cut is not None: self.close_connection = True

        def error(self, status, code, **headers):
            self.say(status, json.dumps({'errors': [{'code': code, 'message': 'so it is'}]}).encode(), **headers)

        def any(self):
            url = urlsplit(self.path)
            query = {k: v for k, v in parse_qs(url.query).items()}
            body = self.rfile.read(int(self.headers.get('Content-Length', 0)))
            if url.path == '/open': return self.say(200, str(sum(s == 'open' for s in sessions.values())).encode())
            if url.path == '/note': return self.say(200, str(notes.get(url.query, '')).encode())
            if url.path == '/token': return self.token(query, body)
            if url.path.startswith('/store/'):
                notes['store-authorization'] = self.headers.get('Authorization', 'none')
                return self.say(200, blobs[url.path[7:]])
            match = re.fullmatch(r'/v2/(.+)/(blobs|manifests|tags|referrers)/(.*)', url.path)
            if not match: return self.say(200)
            repository, kind, rest = match.groups()
            quirk = repository.split('/')[0]
            if not self.allowed(quirk, repository): return
            if quirk == 'busy' and first((self.command, url.path)):
                return self.error(429, 'TOOMANYREQUESTS', Retry_After='0')
            getattr(self, kind)(quirk, repository, rest, query, body)
        do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = any

        def allowed(self, quirk, repository):
            given = self.headers.get('Authorization', '')
            if quirk == 'basic' and given != 'Basic ' + base64.b64encode(b'u:p').decode():
                self.error(401, 'UNAUTHORIZED', WWW_Authenticate='Negotiate abc==, Basic realm="here, there"')
            elif quirk in ('bearer', 'evil-realm', 'more-scope', 'oauth', 'no-oauth'):
                realm = {'evil-realm': 'http://127.0.0.2:1/token'}.get(quirk, 'http://127.0.0.1:%d/token' % port)
                if quirk == 'no-oauth': realm += '?old'
                need = 'repository:%s:pull,push' % repository if self.command in ('POST', 'PUT', 'DELETE') else 'repository:%s:pull' % repository
                if quirk == 'more-scope': need = 'repository:%s:delete' % repository
                if not (given.startswith('Bearer ') and need in base64.b64decode(given[7:]).decode()):
                    self.error(401, 'UNAUTHORIZED', WWW_Authenticate='Other x, Bearer realm=%s,service="s t",scope="%s"' % (realm, need))
                else: return True
            else: return True

        def token(self, query, body):
            if self.command == 'POST':
                if 'old' in self.path: return self.say(404)
                form = parse_qs(body.decode())
                with lock: notes['grant'] = '|'.join(form[k][0] for k in ('grant_type', 'service', 'scope'))
                if form['refresh_token'] != ['r&f=1']: return self.say(401)
                return self.say(200, json.dumps({'access_token': base64.b64encode(form['scope'][0].encode()).decode()}).encode())
            notes['token-authorization'] = self.headers.get('Authorization', 'none')
            if self.headers.get('Authorization') == 'Basic ' + base64.b64encode(b'wrong:p').decode(): return self.say(401)
            with lock:
                notes['tokens'] = notes.get('tokens', 0) + 1
                notes['scopes'] = '|'.join(query.get('scope', []))
                notes['service'] = query['service'][0]
            self.say(200, json.dumps({'access_token': base64.b64encode(' '.join(query['scope']).encode()).decode()}).encode())

        def blobs(self, quirk, repository, rest, query, body):
            if rest.startswith('uploads/'): return self.uploads(quirk, repository, rest[8:], query, body)
            if rest not in blobs or quirk == 'separate' and (repository, rest) not in places: return self.error(404, 'BLOB_UNKNOWN')
            data = blobs[rest]
            if quirk == 'redirect': return self.say(307, Location='http://127.0.0.1:%d/store/%s' % (store, rest))
            if quirk == 'evil-redirect': return self.say(307, Location='http://127.0.0.2:%d/store/%s' % (port, rest))
            if quirk == 'circle': return self.say(302, Location=self.path)
            if quirk == 'truncated' and self.command == 'GET' and first(rest): return self.say(200, data, cut=len(data) // 2)
            if quirk == 'corrupt': data = bytes([data[0] ^ 1]) + data[1:]
            if quirk == 'endless': data = data * 3
            self.say(200, data, Docker_Content_Digest=rest)

        def uploads(self, quirk, repository, session, query, body):
            if self.command == 'POST':
                notes['posts'] = notes.get('posts', 0) + 1
                if 'mount' in query:
                    notes['mounts'] = notes.get('mounts', 0) + 1
                    if quirk == 'forbidding': return self.error(403, 'DENIED')
                    if quirk not in ('mountless', 'separate') and query['mount'][0] in blobs: return self.say(201, Location='/x')
                with lock:
                    name = str(len(sessions) + 1)
                    sessions[name] = 'open'
                path = '/v2/%s/blobs/uploads/%s?_state=a%%3Db' % (repository, name)
                locations = {'relative': path, 'dotted': name + '?_state=a%3Db', 'evil-upload': 'http://127.0.0.2:%d%s' % (port, path),
                             'file-upload': 'file:///etc/passwd'}
                least = {'OCI-Chunk-Min-Length': str(3 << 20)} if quirk == 'least' else {}
                return self.say(202, Location=locations.get(quirk, 'http://%s%s' % (self.headers['Host'], path)), **least)
            with lock:
                if sessions.get(session) != 'open': return self.error(404, 'BLOB_UPLOAD_UNKNOWN')
                if self.command == 'DELETE' or quirk == 'forgetful' and session == '1': sessions[session] = 'gone'
            if self.command == 'DELETE': return self.say(204)
            if self.command in ('PATCH', 'GET') or query.get('part'): return self.part(quirk, repository, session, query, body)
            if quirk in ('small', 'small-dropping', 'small-late', 'least') and len(body) > 1 << 20: return self.error(413, 'SIZE_INVALID')
            if sessions[session] == 'gone': return self.error(404, 'BLOB_UPLOAD_UNKNOWN')
            digest = query['digest'][0]
            assert query.get('_state', ['a=b']) == ['a=b']
            if digest != sha(body): return self.error(400, 'DIGEST_INVALID')
            sessions[session] = 'done'
            notes['puts'] = notes.get('puts', 0) + 1
            if quirk == 'dropping' and first(digest):
                self.close_connection = True
                return
            blobs[digest] = body
            places.add((repository, digest))
            if quirk == 'dropping-late' and first(digest):
                self.close_connection = True
                return
            if quirk == 'liar': digest = 'sha256:' + '0' * 64
            self.say(201, Docker_Content_Digest=digest)

        def part(self, quirk, repository, session, query, body):
            have = parts.setdefault(session, b'')
            location = '/v2/%s/blobs/uploads/%s?part=%d' % (repository, session, len(have))
            if self.command == 'GET': return self.say(204, Location=location, Range='0-%d' % max(0, len(have) - 1))
            if self.command == 'PUT':
                if query['digest'][0] != sha(have): return self.error(400, 'DIGEST_INVALID')
                sessions[session] = 'done'
                blobs[query['digest'][0]] = have
                return self.say(201, Docker_Content_Digest=query['digest'][0])
            if len(body) > (4 << 20 if quirk == 'least' else 1 << 20): return self.error(413, 'SIZE_INVALID')
            if self.headers['Content-Range'] != '%d-%d' % (len(have), len(have) + len(body) - 1): return self.error(416, 'RANGE')
            with lock: notes['parts'] = notes.get('parts', 0) + 1
            if quirk == 'small-dropping' and notes['parts'] == 3:
                self.close_connection = True
                return
            parts[session] = have + body
            if quirk == 'small-late' and notes['parts'] in (1, 3):
                self.close_connection = True
                return
            self.say(202, Location='/v2/%s/blobs/uploads/%s?part=%d' % (repository, session, len(parts[session])), Range='0-%d' % (len(parts[session]) - 1))

        def manifests(self, quirk, repository, name, query, body):
            if self.command == 'PUT':
                digest = sha(body)
                manifests[digest] = (self.headers['Content-Type'], body)
                tags[repository + ':' + name] = digest
                subject = json.loads(body).get('subject') if quirk == 'referring' else None
                if subject:
                    with lock: referring.setdefault(subject['digest'], []).append((digest, body))
                    return self.say(201, Docker_Content_Digest=digest, OCI_Subject=subject['digest'])
                if quirk == 'liar-manifest': digest = 'sha256:' + '0' * 64
                return self.say(201, **({} if quirk == 'terse' else {'Docker_Content_Digest': digest}))
            if self.command == 'DELETE': return self.error(405, 'UNSUPPORTED')
            digest = tags.get(repository + ':' + name, name)
            if digest not in manifests: return self.error(404, 'MANIFEST_UNKNOWN')
            type, data = manifests[digest]
            if quirk == 'corrupt-manifest': data = data + b' '
            self.say(200, data, Content_Type=type + '; charset=utf-8', **({} if quirk == 'terse' else {'Docker_Content_Digest': digest}))

        def referrers(self, quirk, repository, subject, query, body):
            if quirk != 'referring': return self.error(404, 'NOT_FOUND')
            page = int(query.get('page', ['0'])[0])
            found = referring.get(subject, [])
            link = {'Link': '</v2/%s/referrers/%s?page=%d>; rel="next"' % (repository, subject, page + 1)} if page + 1 < len(found) else {}
            entries = [{'mediaType': json.loads(b)['mediaType'], 'digest': d, 'size': len(b), 'artifactType': json.loads(b)['artifactType']}
                       for d, b in found[page:page + 1]]
            self.say(200, json.dumps({'schemaVersion': 2, 'mediaType': 'application/vnd.oci.image.index.v1+json', 'manifests': entries}).encode(), **link)

        def tags(self, quirk, repository, rest, query, body):
            if quirk == 'null-tags': return self.say(200, b'{"name":"x","tags":null}')
            if quirk == 'evil-tags': return self.say(200, b'{"tags":["a"]}', Link='<http://127.0.0.2:1/>; rel="next"')
            page = int(query.get('page', ['1'])[0])
            link = {'Link': '</v2/%s/tags/list?page=%d&n=2>; rel="next"' % (repository, page + 1)} if page < 3 else {}
            self.say(200, json.dumps({'tags': ['t%d' % (2 * page + i) for i in (0, 1)]}).encode(), **link)

    server = ThreadingHTTPServer(('127.0.0.1', 0), Handler)
    other = ThreadingHTTPServer(('127.0.0.1', 0), Handler)
    port, store = server.server_address[1], other.server_address[1]
    threading.Thread(target=other.serve_forever, daemon=True).start()
    print(port, flush=True)
    server.serve_forever()
    """#

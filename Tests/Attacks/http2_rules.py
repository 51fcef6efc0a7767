# The cases of HTTP/2's own rules (RFC 9113 and RFC 7541), each on a connection of its own. Run behind the prelude of FrameClient.
#
# A case is a section, what it is about, what is sent and what may follow: `goaway` or `reset` with a code, or the answer. Where swift-nio-http2
# differs from the RFC's words, the case says so and why that is good enough.

NO_ERROR, PROTOCOL, INTERNAL, FLOW, TIMEOUT, CLOSED, SIZE, REFUSED, CANCEL, COMPRESSION = range(10)
ANSWER = '200, ok, end'
HEADERS, DATA, PRIORITY, RST, SETTINGS, PUSH, PING, GOAWAY, WINDOW, CONTINUATION = 1, 0, 2, 3, 4, 5, 6, 7, 8, 9


def raw(type, flags, stream, payload=b''):
    return len(payload).to_bytes(3, 'big') + bytes([type, flags]) + stream.to_bytes(4, 'big') + payload


class Attack(Client):
    def put(self, *parts):
        """Sends frames, and bytes as they are."""
        try: self.socket.sendall(b''.join(p if isinstance(p, bytes) else p.serialize() for p in parts))
        except (BrokenPipeError, ConnectionResetError): pass

    def block(self, fields=GET): return self.encoder.encode(fields)

    def fate(self, id=1):
        """What becomes of a stream, or of the connection."""
        words = []
        self.socket.settimeout(3)
        for f in self.frames():
            if isinstance(f, GoAwayFrame): return 'goaway %d' % f.error_code
            fields = dict(self.decoder.decode(f.data)) if isinstance(f, HeadersFrame) else {}
            if f.stream_id != id: continue
            if isinstance(f, RstStreamFrame): return 'reset %d' % f.error_code
            if fields: words.append(fields.get(':status', 'trailers'))
            if isinstance(f, DataFrame) and f.data: words.append(f.data.decode())
            if 'END_STREAM' in f.flags: return ', '.join(words + ['end'])
        return ', '.join(words + ['closed'])

    def alive(self, id):
        """Whether the connection still takes requests."""
        self.put(self.head(id))
        return self.fate(id)

    def wait(self, kind, test=lambda f: True):
        for f in self.frames():
            if isinstance(f, kind) and test(f): return f


def connection(code): return ['goaway %d' % code]
def either(code): return ['goaway %d' % code, 'reset %d' % code]


POST_HEAD = lambda c, id=1, extra=[]: c.head(id, POST + extra, 'END_HEADERS')


def opened(c, id=1): c.put(POST_HEAD(c, id))
def over(c):
    c.put(c.head(1))
    assert c.fate() == ANSWER
def cancelled(c): c.put(POST_HEAD(c), RstStreamFrame(1, CANCEL))
def tell(*parts, before=None, id=1):
    def run(c):
        if before: before(c)
        c.put(*[p(c) if callable(p) else p for p in parts])
        return c.fate(id)
    return run
def ignored(*parts, before=None, next=1):
    def run(c):
        if before: before(c)
        c.put(*[p(c) if callable(p) else p for p in parts])
        return c.alive(next)
    return run
def fields(*extra, base=GET, drop=None):
    return lambda c: c.head(1, [f for f in base if f[0] != drop] + list(extra))
def setting(id, value): return raw(SETTINGS, 0, 0, id.to_bytes(2, 'big') + value.to_bytes(4, 'big'))
def hpack(*data): return lambda c: raw(HEADERS, 5, 1, c.block() + bytes(data))


def pinged(c):
    c.put(PingFrame(0, b'12345678'))
    f = c.wait(PingFrame)
    return 'ack' if f and 'ACK' in f.flags and f.opaque_data == b'12345678' else 'none'


def settled(c):
    c.put(setting(4, 100), setting(4, 1))
    acks = 0
    for f in c.frames():
        if isinstance(f, SettingsFrame) and 'ACK' in f.flags: acks += 1
        # The first one is for the connection's own.
        if acks == 3: break
    c.put(c.head(1))
    f = c.wait(DataFrame)
    return '%d byte' % len(f.data)


def one_byte(c):
    c.put(setting(4, 1), c.head(1))
    first = c.wait(DataFrame)
    c.put(WindowUpdateFrame(1, window_increment=1))
    second = c.wait(DataFrame)
    return (first.data + second.data).decode()


def later_window(c):
    c.put(setting(4, 0), c.head(1))
    c.wait(HeadersFrame)
    c.put(setting(4, 1))
    return c.wait(DataFrame).data.decode()


def negative_window(c):
    c.put(setting(4, 1), c.head(1))
    first = c.wait(DataFrame).data
    c.put(setting(4, 0), WindowUpdateFrame(1, window_increment=1))
    c.socket.settimeout(0.3)
    if c.wait(DataFrame): return 'sent though the window is 0'
    c.socket.settimeout(3)
    c.put(WindowUpdateFrame(1, window_increment=1))
    return (first + c.wait(DataFrame).data).decode()


CASES = [
    ('3.4', 'a preface that is none ends the connection', lambda c: None, ['400 or closed']),
    ('4.1', 'a frame of an unknown type is ignored', ignored(raw(0x16, 0, 0, b'x' * 8)), [ANSWER]),
    ('4.1', 'flags without a meaning are ignored', ignored(raw(PING, 0x16, 0, b'12345678')), [ANSWER]),
    ('4.1', 'the reserved bit is ignored', ignored(raw(PING, 0, 1 << 31, b'12345678')), [ANSWER]),
    ('4.2', 'DATA of 2^14 bytes is taken', tell(POST_HEAD, raw(DATA, 1, 1, b'x' * 16384)), ['200, 16384, end', ANSWER]),
    ('4.2', 'DATA beyond SETTINGS_MAX_FRAME_SIZE', tell(POST_HEAD, raw(DATA, 1, 1, b'x' * 16385)), either(SIZE)),
    ('4.2', 'HEADERS beyond SETTINGS_MAX_FRAME_SIZE', tell(raw(HEADERS, 5, 1, b'x' * 16385)), connection(SIZE)),
    ('4.3', 'a block that cannot be decoded', tell(raw(HEADERS, 5, 1, b'\x82\x84\x86\x41\x8c')), connection(COMPRESSION)),
    ('4.3', 'PRIORITY inside a block', tell(lambda c: raw(HEADERS, 1, 1, c.block()), raw(PRIORITY, 0, 1, b'\0\0\0\0\xff'), raw(CONTINUATION, 4, 1)), connection(PROTOCOL)),
    ('4.3', 'HEADERS of another stream inside a block', tell(lambda c: raw(HEADERS, 1, 1, c.block()), lambda c: c.head(3), raw(CONTINUATION, 4, 1)), connection(PROTOCOL)),
    ('5.1', 'idle: DATA', tell(raw(DATA, 1, 1, b'x')), connection(PROTOCOL)),
    ('5.1', 'idle: RST_STREAM', tell(raw(RST, 0, 1, b'\0\0\0\x08')), connection(PROTOCOL)),
    ('5.1', 'idle: WINDOW_UPDATE', tell(raw(WINDOW, 0, 1, b'\0\0\0\x64')), connection(PROTOCOL)),
    ('5.1', 'idle: CONTINUATION', tell(lambda c: raw(CONTINUATION, 4, 1, c.block())), connection(PROTOCOL)),
    ('5.1', 'half-closed: DATA', tell(lambda c: c.head(1), raw(DATA, 1, 1, b'x')), either(CLOSED)),
    # A second head counts as trailers that are not well-formed before it counts as late: the stream ends all the same.
    ('5.1', 'half-closed: HEADERS', tell(lambda c: c.head(1), lambda c: c.head(1)), either(CLOSED) + ['reset 1']),
    ('5.1', 'half-closed: CONTINUATION', tell(lambda c: c.head(1), raw(CONTINUATION, 4, 1, b'\x82')), either(CLOSED) + connection(PROTOCOL)),
    ('5.1', 'reset: DATA', ignored(raw(DATA, 1, 1, b'x'), before=cancelled, next=3), either(CLOSED) + [ANSWER]),
    # swift-nio-http2 keeps no record of streams that are over: their numbers are to it those of new ones that are too low, which is 5.1.1's error.
    ('5.1', 'reset: HEADERS', ignored(lambda c: c.head(1), before=cancelled, next=3), either(CLOSED) + connection(PROTOCOL) + [ANSWER]),
    ('5.1', 'reset: CONTINUATION', tell(raw(CONTINUATION, 4, 1, b'\x82'), before=cancelled), either(CLOSED) + connection(PROTOCOL)),
    ('5.1', 'closed: DATA', tell(raw(DATA, 1, 1, b'x'), before=over), either(CLOSED)),
    ('5.1', 'closed: HEADERS', tell(lambda c: c.head(1), before=over), either(CLOSED) + connection(PROTOCOL)),
    ('5.1', 'closed: CONTINUATION', tell(raw(CONTINUATION, 4, 1, b'\x82'), before=over), either(CLOSED) + connection(PROTOCOL)),
    ('5.1', 'closed: WINDOW_UPDATE and PRIORITY are taken', ignored(raw(WINDOW, 0, 1, b'\0\0\0\1'), raw(PRIORITY, 0, 1, b'\0\0\0\0\xff'), before=over, next=3), [ANSWER]),
    ('5.1.1', 'an even stream', tell(lambda c: c.head(2), id=2), connection(PROTOCOL)),
    ('5.1.1', 'a stream lower than one before', tell(lambda c: c.head(5), lambda c: c.head(3), id=3), connection(PROTOCOL) + connection(CLOSED)),
    ('5.3.1', 'HEADERS that depend on themselves', tell(lambda c: raw(HEADERS, 0x25, 1, b'\0\0\0\1\xff' + c.block())), either(PROTOCOL)),
    ('5.3.1', 'PRIORITY that depends on itself', tell(raw(PRIORITY, 0, 1, b'\0\0\0\1\xff')), either(PROTOCOL)),
    ('5.4.1', 'after GOAWAY the connection is closed', lambda c: (c.put(raw(PING, 0, 3, b'12345678')), c.fate(), 'closed' if not list(c.frames()) else 'open')[2], ['closed']),
    ('5.5', 'an unknown frame inside a block', tell(lambda c: raw(HEADERS, 1, 1, c.block()), raw(0x16, 0, 0, b'x'), raw(CONTINUATION, 4, 1)), connection(PROTOCOL)),
    ('6.1', 'DATA on stream 0', tell(raw(DATA, 1, 0, b'x')), connection(PROTOCOL)),
    ('6.1', 'DATA with more padding than bytes', tell(POST_HEAD, raw(DATA, 9, 1, b'\x06Test')), connection(PROTOCOL)),
    ('6.1', 'DATA with padding', tell(POST_HEAD, raw(DATA, 9, 1, b'\x02Test\0\0')), ['200, 4, end', ANSWER]),
    ('6.2', 'HEADERS on stream 0', tell(lambda c: raw(HEADERS, 5, 0, c.block())), connection(PROTOCOL)),
    ('6.2', 'HEADERS with more padding than bytes', tell(lambda c: raw(HEADERS, 0xd, 1, b'\xff' + c.block())), connection(PROTOCOL)),
    ('6.2', 'HEADERS with padding and priority', tell(lambda c: raw(HEADERS, 0x2d, 1, b'\x02\0\0\0\0\x10' + c.block() + b'\0\0')), [ANSWER]),
    ('6.3', 'PRIORITY on stream 0', tell(raw(PRIORITY, 0, 0, b'\0\0\0\0\xff')), connection(PROTOCOL)),
    ('6.3', 'PRIORITY of another length', tell(raw(PRIORITY, 0, 1, b'\0\0\0\0')), either(SIZE)),
    ('6.4', 'RST_STREAM on stream 0', tell(raw(RST, 0, 0, b'\0\0\0\x08')), connection(PROTOCOL)),
    ('6.4', 'RST_STREAM of another length', tell(POST_HEAD, raw(RST, 0, 1, b'\0\0\0')), connection(SIZE)),
    ('6.5', 'SETTINGS with ACK and something in it', tell(raw(SETTINGS, 1, 0, b'\0')), connection(SIZE)),
    ('6.5', 'SETTINGS on a stream', tell(raw(SETTINGS, 0, 1, b'\0\x03\0\0\0\x64')), connection(PROTOCOL)),
    ('6.5', 'SETTINGS of another length', tell(raw(SETTINGS, 0, 0, b'\0\x03\0')), connection(SIZE)),
    ('6.5.2', 'SETTINGS_ENABLE_PUSH of 2', tell(setting(2, 2)), connection(PROTOCOL)),
    ('6.5.2', 'SETTINGS_INITIAL_WINDOW_SIZE of 2^31', tell(setting(4, 1 << 31)), connection(FLOW)),
    ('6.5.2', 'SETTINGS_MAX_FRAME_SIZE below 2^14', tell(setting(5, 16383)), connection(PROTOCOL)),
    ('6.5.2', 'SETTINGS_MAX_FRAME_SIZE of 2^24', tell(setting(5, 1 << 24)), connection(PROTOCOL)),
    ('6.5.2', 'an unknown setting is ignored', ignored(setting(0xff, 1)), [ANSWER]),
    ('6.5.3', 'the last of several values counts, each frame is acknowledged', settled, ['1 byte']),
    ('6.7', 'PING is answered', pinged, ['ack']),
    ('6.7', 'PING with ACK is ignored', ignored(raw(PING, 1, 0, b'12345678')), [ANSWER]),
    ('6.7', 'PING on a stream', tell(raw(PING, 0, 1, b'12345678')), connection(PROTOCOL)),
    ('6.7', 'PING of another length', tell(raw(PING, 0, 0, b'123456')), connection(SIZE)),
    ('6.8', 'GOAWAY on a stream', tell(raw(GOAWAY, 0, 1, b'\0' * 8)), connection(PROTOCOL)),
    ('6.9', 'WINDOW_UPDATE of 0', tell(raw(WINDOW, 0, 0, b'\0' * 4)), connection(PROTOCOL)),
    ('6.9', 'WINDOW_UPDATE of 0 on a stream', tell(POST_HEAD, raw(WINDOW, 0, 1, b'\0' * 4)), either(PROTOCOL)),
    ('6.9', 'WINDOW_UPDATE of another length', tell(raw(WINDOW, 0, 0, b'\0' * 3)), connection(SIZE)),
    ('6.9.1', 'no more is sent than the window has', one_byte, ['ok']),
    ('6.9.1', 'a window beyond 2^31 - 1', tell(*[raw(WINDOW, 0, 0, b'\x7f\xff\xff\xff')] * 2), connection(FLOW)),
    ('6.9.1', 'a window beyond 2^31 - 1 on a stream', tell(POST_HEAD, *[raw(WINDOW, 0, 1, b'\x7f\xff\xff\xff')] * 2), either(FLOW)),
    ('6.9.2', 'a setting changes the windows that there are', later_window, ['o']),
    ('6.9.2', 'a window can be negative', negative_window, ['ok']),
    ('6.9.2', 'a setting beyond 2^31 - 1 for a window that there is', tell(POST_HEAD, raw(WINDOW, 0, 1, b'\x7f\0\0\0'), setting(4, 0x7fffffff)), connection(FLOW)),
    ('6.10', 'a block in several frames', tell(lambda c: raw(HEADERS, 1, 1, c.block()), lambda c: raw(CONTINUATION, 0, 1, c.block([('x', 'y')])), lambda c: raw(CONTINUATION, 4, 1, c.block([('z', 'y')]))), [ANSWER]),
    ('6.10', 'DATA inside a block', tell(lambda c: raw(HEADERS, 0, 1, c.block(POST)), raw(DATA, 1, 1, b'x')), connection(PROTOCOL)),
    ('6.10', 'CONTINUATION on stream 0', tell(lambda c: raw(HEADERS, 1, 1, c.block()), raw(CONTINUATION, 4, 0)), connection(PROTOCOL)),
    ('6.10', 'CONTINUATION behind a whole block', tell(POST_HEAD, raw(CONTINUATION, 4, 1, b'\x82')), connection(PROTOCOL)),
    ('6.10', 'CONTINUATION behind DATA', tell(POST_HEAD, raw(DATA, 0, 1, b'x'), raw(CONTINUATION, 4, 1, b'\x82')), connection(PROTOCOL)),
    ('7', 'an unknown code in RST_STREAM', ignored(POST_HEAD, raw(RST, 0, 1, b'\0\0\0\xff'), next=3), [ANSWER]),
    ('8.1', 'a second HEADERS that is not the end', tell(POST_HEAD, lambda c: c.head(1, [('x', '1')], 'END_HEADERS')), either(PROTOCOL)),
    ('8.2.1', 'an upper-case name', tell(fields(('X', 'y'))), ['reset 1']),
    ('8.2.2', 'Connection', tell(fields(('connection', 'keep-alive'))), ['reset 1']),
    ('8.2.2', 'TE that is not trailers', tell(fields(('te', 'trailers, deflate'))), ['reset 1']),
    ('8.3', 'an unknown pseudo-field', tell(fields((':x', 'y'), drop='none')), ['reset 1']),
    ('8.3', 'a pseudo-field of responses', tell(fields((':status', '200'))), ['reset 1']),
    ('8.3', 'a pseudo-field behind a field', tell(lambda c: c.head(1, [('x', 'y')] + GET)), ['reset 1']),
    ('8.3', 'a pseudo-field in trailers', tell(POST_HEAD, lambda c: c.head(1, [(':method', 'GET')])), ['reset 1']),
    ('8.3.1', 'an empty :path', tell(lambda c: c.head(1, GET[:2] + [(':path', ''), GET[3]])), ['reset 1']),
    ('8.3.1', 'no :method', tell(fields(drop=':method')), ['reset 1']),
    ('8.3.1', 'no :scheme', tell(fields(drop=':scheme')), ['reset 1']),
    ('8.3.1', 'no :path', tell(fields(drop=':path')), ['reset 1']),
    ('8.3.1', ':method twice', tell(lambda c: c.head(1, GET[:1] + GET)), ['reset 1']),
    ('8.3.1', ':scheme twice', tell(lambda c: c.head(1, GET[1:2] + GET)), ['reset 1']),
    ('8.3.1', ':path twice', tell(lambda c: c.head(1, GET[2:3] + GET)), ['reset 1']),
    ('8.1.1', 'a length that is not that of DATA', tell(lambda c: POST_HEAD(c, 1, [('content-length', '1')]), raw(DATA, 1, 1, b'test')), ['reset 1']),
    ('8.1.1', 'a length that is not that of several DATA', tell(lambda c: POST_HEAD(c, 1, [('content-length', '1')]), raw(DATA, 0, 1, b'te'), raw(DATA, 1, 1, b'st')), ['reset 1']),
    ('8.4', 'a client that pushes', tell(lambda c: raw(PUSH, 4, 1, b'\0\0\0\2' + c.block())), connection(PROTOCOL)),
    ('HPACK 2.3.3', 'an index beyond the tables', tell(hpack(0xc6)), connection(COMPRESSION)),
    ('HPACK 2.3.3', 'a name beyond the tables', tell(hpack(0x7f, 0x10, 0x01, 0x78)), connection(COMPRESSION)),
    ('HPACK 4.2', 'a table size at the end of a block', tell(hpack(0x20)), connection(COMPRESSION)),
    ('HPACK 5.1', 'an integer without an end', tell(hpack(0xff, *[0xff] * 12)), connection(COMPRESSION)),
    ('HPACK 5.2', 'padding of more than 7 bits', tell(hpack(0x00, 0x85, 0xf2, 0xb2, 0x4a, 0x84, 0xff, 0x84, 0x49, 0x50, 0x9f, 0xff)), connection(COMPRESSION)),
    ('HPACK 5.2', 'padding of zeroes', tell(hpack(0x00, 0x85, 0xf2, 0xb2, 0x4a, 0x84, 0xff, 0x83, 0x49, 0x50, 0x90)), connection(COMPRESSION)),
    ('HPACK 5.2', 'the end of strings in a string', tell(hpack(0x00, 0x85, 0xf2, 0xb2, 0x4a, 0x84, 0xff, 0x87, 0x49, 0x50, 0x9f, 0xff, 0xff, 0xff, 0xff)), connection(COMPRESSION)),
    ('HPACK 6.1', 'index 0', tell(hpack(0x80)), connection(COMPRESSION)),
    ('HPACK 6.3', 'a table larger than what was agreed on', tell(lambda c: raw(HEADERS, 5, 1, b'\x3f\xe2\x1f' + c.block())), connection(COMPRESSION)),
]


def bad_preface():
    s = socket.create_connection(('127.0.0.1', PORT), 10)
    s.sendall(b'INVALID CONNECTION PREFACE\r\n\r\n')
    s.settimeout(3)
    data = b''
    while True:
        try: more = s.recv(65536)
        except OSError: break
        if not more: break
        data += more
    return '400 or closed' if not data or data.startswith(b'HTTP/1.1 400') else repr(data[:40])


wrong = 0
for section, about, run, allowed in CASES:
    try: fate = bad_preface() if section == '3.4' else run(Attack())
    except Exception as error: fate = repr(error)
    if fate not in allowed:
        wrong += 1
        print('%s, %s: %s, not %s' % (section, about, fate, ' or '.join(allowed)))
print('%d cases, %d wrong' % (len(CASES), wrong))

import Foundation
import Support

@testable import Router

/// A client that sends HTTP/2 frame by frame, right or wrong: hyperframe and hpack, in Python.
enum FrameClient {
    private static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().path

    private static let prelude = """
        import socket, sys, time
        from hyperframe.frame import *
        from hpack import Encoder, Decoder

        GET = [(':method', 'GET'), (':scheme', 'http'), (':path', '/fn/f'), (':authority', 'h')]
        POST = [(':method', 'POST')] + GET[1:]

        class Client:
            def __init__(self, settings={}):
                self.socket = socket.create_connection(('127.0.0.1', PORT), 10)
                self.encoder, self.decoder, self.buffer = Encoder(), Decoder(), b''
                self.socket.sendall(b'PRI * HTTP/2.0\\r\\n\\r\\nSM\\r\\n\\r\\n' + SettingsFrame(settings=settings).serialize())

            def send(self, *frames):
                try: self.socket.sendall(b''.join(f.serialize() for f in frames))
                except (BrokenPipeError, ConnectionResetError): pass

            def head(self, id, fields=GET, *flags):
                return HeadersFrame(id, self.encoder.encode(fields), flags=('END_HEADERS',) + (flags or ('END_STREAM',)))

            def frames(self):
                while True:
                    while len(self.buffer) >= 9:
                        frame, length = Frame.parse_frame_header(memoryview(self.buffer[:9]))
                        if len(self.buffer) < 9 + length: break
                        frame.parse_body(memoryview(self.buffer[9:9 + length]))
                        self.buffer = self.buffer[9 + length:]
                        yield frame
                    try: more = self.socket.recv(65536)
                    except (ConnectionResetError, TimeoutError): return
                    if not more: return
                    self.buffer += more

            # What happens to a stream, or to the connection.
            def story(self, id=None):
                words = []
                for f in self.frames():
                    if isinstance(f, GoAwayFrame): words.append('goaway %d' % f.error_code)
                    # Others' fields, too, change the table.
                    fields = dict(self.decoder.decode(f.data)) if isinstance(f, HeadersFrame) else {}
                    if id is None or f.stream_id != id: continue
                    if fields:
                        words.append(fields.get(':status') or 'trailers ' + ' '.join(k + '=' + v for k, v in fields.items()))
                    if isinstance(f, DataFrame) and f.data: words.append(f.data.decode())
                    if isinstance(f, RstStreamFrame):
                        words.append('reset %d' % f.error_code)
                        break
                    if 'END_STREAM' in f.flags:
                        words.append('end')
                        break
                return ', '.join(words)

        """

    /// Runs `script` against the Router at `port`; returns what it printed.
    static func run(_ script: String, _ router: TestRouter) async throws -> String {
        let result = try await command(
            "python3", ["-c", prelude.replacing("PORT", with: String(router.port)) + script],
            environment: ["PYTHONPATH": root + "/.tools/http2"])
        return result.succeeded ? result.output.trimmingCharacters(in: .newlines) : result.errors
    }
}

#!/usr/bin/env python3
"""Constant load over TLS, half GET and half POST, by HTTP/1.1 and by HTTP/2, until a file appears:
`secure_load.py PORT PATH CERTIFICATE STOP HTTP1 HTTP2 STREAMS`, where HTTP1 and HTTP2 are numbers of connections, and STREAMS of requests at a time
on each of the latter. The function has to answer `seen ` and the body.

A client here does what clients may: one of HTTP/2 sends a request again that a GOAWAY or REFUSED_STREAM says was not processed (RFC 9113, 8.7).
Everything else that is not a whole 200 is a failure. Prints a line of JSON for each kind.
"""
import http.client
import json
import os
import socket
import ssl
import sys
import threading
import time
import traceback

from hpack import Decoder, Encoder
from hyperframe.frame import (
    DataFrame, Frame, GoAwayFrame, HeadersFrame, PingFrame, RstStreamFrame, SettingsFrame, WindowUpdateFrame)

PORT, PATH, CERTIFICATE, STOP = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]
HTTP1, HTTP2, STREAMS = map(int, sys.argv[5:8])
REFUSED_STREAM = 7
# Requests after which a client begins anew: there are always some that connect.
PER_CONNECTION = 100


class Tally:
    def __init__(self):
        self.lock = threading.Lock()
        self.answered, self.again, self.connections, self.failures = 0, 0, 0, []

    def count(self, answered=0, again=0, connections=0, failure=None):
        with self.lock:
            self.answered += answered
            self.again += again
            self.connections += connections
            if failure:
                self.failures.append(f"{time.time() - BEGAN:.2f} s: {failure}"[:300])

    def line(self, name):
        return json.dumps({
            "kind": name, "answered": self.answered, "again": self.again, "connections": self.connections,
            "failed": len(self.failures), "failures": self.failures[:5]})


def stopped():
    return os.path.exists(STOP)


def context(protocol):
    made = ssl.create_default_context(cafile=CERTIFICATE)
    made.set_alpn_protocols([protocol])
    return made


def body(number):
    """What the request with this number carries; None: it is a GET."""
    return f"{threading.get_ident()} {number}".encode() if number % 2 else None


def judge(tally, number, status, text):
    if status == 200 and text == b"seen " + (body(number) or b""):
        tally.count(answered=1)
    else:
        tally.count(failure=f"request {number} was answered {status} {text[:200]}")


def one(tally):
    """A client of HTTP/1.1."""
    tls, number = context("http/1.1"), 0
    while not stopped():
        connection = http.client.HTTPSConnection("127.0.0.1", PORT, context=tls, timeout=60)
        try:
            connection.connect()
            tally.count(connections=1)
            for _ in range(PER_CONNECTION):
                number += 1
                sent = body(number)
                connection.request("POST" if sent else "GET", PATH, body=sent)
                answer = connection.getresponse()
                judge(tally, number, answer.status, answer.read())
                if answer.will_close or stopped():
                    break
        except (OSError, http.client.HTTPException) as error:
            tally.count(failure=f"request {number}: {error!r}")
            time.sleep(0.1)
        connection.close()


class Two:
    """A client of HTTP/2, frame by frame: it has to know which requests were processed."""

    def __init__(self, tally):
        self.tally, self.number, self.owed = tally, 0, 0
        self.tls = context("h2")

    def run(self):
        while self.owed or not stopped():
            try:
                self.connection()
            except OSError as error:
                self.tally.count(failure=f"a connection: {error!r}")
                time.sleep(0.1)

    def connection(self):
        plain = socket.create_connection(("127.0.0.1", PORT), 60)
        self.socket = self.tls.wrap_socket(plain, server_hostname="localhost")
        self.tally.count(connections=1)
        self.encoder, self.decoder, self.buffer = Encoder(), Decoder(), b""
        # By stream: the request's number, its status, what has come of its answer.
        self.open, self.next, self.leaves = {}, 1, False
        self.socket.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + SettingsFrame().serialize())
        self.send(WindowUpdateFrame(0, window_increment=1 << 30))
        try:
            while True:
                enough = self.leaves or self.next > 2 * PER_CONNECTION or stopped() and not self.owed
                while not enough and len(self.open) < STREAMS:
                    self.request()
                    enough = self.next > 2 * PER_CONNECTION
                if not self.open:
                    break
                for frame in self.receive():
                    self.take(frame)
        except OSError as error:
            for number, _, _ in self.open.values():
                self.tally.count(failure=f"request {number} on stream of {len(self.open)}: {error!r}")
        self.socket.close()

    def send(self, *frames):
        self.socket.sendall(b"".join(frame.serialize() for frame in frames))

    def request(self):
        self.number += 1
        self.owed = max(0, self.owed - 1)
        sent = body(self.number)
        fields = [(":method", "POST" if sent else "GET"), (":scheme", "https"), (":path", PATH), (":authority", "localhost")]
        head = HeadersFrame(self.next, self.encoder.encode(fields), flags=["END_HEADERS"] + ([] if sent else ["END_STREAM"]))
        self.open[self.next] = [self.number, 0, b""]
        self.send(head, *([DataFrame(self.next, sent, flags=["END_STREAM"])] if sent else []))
        self.next += 2

    def receive(self):
        more = self.socket.recv(65536)
        if not more:
            raise OSError("the connection ended")
        self.buffer += more
        while len(self.buffer) >= 9:
            frame, length = Frame.parse_frame_header(memoryview(self.buffer[:9]))
            if len(self.buffer) < 9 + length:
                return
            frame.parse_body(memoryview(self.buffer[9:9 + length]))
            self.buffer = self.buffer[9 + length:]
            yield frame

    def unprocessed(self, stream):
        del self.open[stream]
        self.owed += 1
        self.tally.count(again=1)

    def take(self, frame):
        stream = frame.stream_id
        if isinstance(frame, SettingsFrame) and "ACK" not in frame.flags:
            self.send(SettingsFrame(flags=["ACK"]))
        elif isinstance(frame, PingFrame) and "ACK" not in frame.flags:
            self.send(PingFrame(0, frame.opaque_data, flags=["ACK"]))
        elif isinstance(frame, GoAwayFrame):
            self.leaves = True
            if frame.error_code:
                self.tally.count(failure=f"a GOAWAY with error {frame.error_code} {frame.additional_data}")
            for one in [one for one in self.open if one > frame.last_stream_id]:
                self.unprocessed(one)
        elif isinstance(frame, RstStreamFrame) and stream in self.open:
            if frame.error_code == REFUSED_STREAM:
                self.unprocessed(stream)
            else:
                self.tally.count(failure=f"request {self.open.pop(stream)[0]} was reset with error {frame.error_code}")
        elif isinstance(frame, (HeadersFrame, DataFrame)):
            state = self.open.get(stream, [0, 0, b""])
            if isinstance(frame, HeadersFrame):
                state[1] = int(dict(self.decoder.decode(frame.data)).get(":status", state[1]))
            else:
                state[2] += frame.data
            if "END_STREAM" in frame.flags and self.open.pop(stream, None):
                judge(self.tally, *state)


def guarded(run, tally):
    """A client that breaks is a failure, not silence."""
    try:
        run(tally)
    except Exception:
        tally.count(failure=traceback.format_exc()[-300:])


BEGAN = time.time()
tallies = {"HTTP/1.1": Tally(), "HTTP/2": Tally()}
clients = [(one, tallies["HTTP/1.1"])] * HTTP1 + [(lambda tally: Two(tally).run(), tallies["HTTP/2"])] * HTTP2
threads = [threading.Thread(target=guarded, args=client) for client in clients]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
for name, tally in tallies.items():
    print(tally.line(name))

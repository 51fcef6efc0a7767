import Contract
import Foundation
import Testing

@testable import Router

private let nginxProgram = "/usr/sbin/nginx"

/// The Router before a server that it shares no line with.
@Suite(.enabled(if: FileManager.default.isExecutableFile(atPath: nginxProgram))) struct NginxTests {
    private func withNginx(_ router: TestRouter, _ body: () async throws -> Void) async throws {
        let directory = router.directory
        let socket = router.path("nginx")
        let user = getuid() == 0 ? "user root;" : ""
        let paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map { "\($0)_temp_path \(directory)/\($0);" }
        let configuration = """
            \(user) daemon off; worker_processes 1; pid \(directory)/nginx.pid; error_log \(directory)/error.log;
            events { worker_connections 128; }
            http {
                access_log off; client_max_body_size 100k; gzip on; gzip_proxied any; gzip_min_length 1; gzip_types text/plain; \(paths.joined(separator: " "))
                server {
                    listen unix:\(socket); root \(directory); default_type text/plain;
                    location = /echo { return 200 "$request_method $request_uri $http_x_forwarded_prefix"; }
                    location = /gone { return 444; }
                    location = /moved { return 302 /elsewhere; }
                    location = /empty { return 204; }
                }
            }
            """
        try configuration.write(toFile: "\(directory)/nginx.conf", atomically: true, encoding: .utf8)
        try String(repeating: "0123456789", count: 100_000).write(
            toFile: "\(directory)/file.txt", atomically: true, encoding: .utf8)
        let process = Process()
        process.executableURL = URL(filePath: nginxProgram)
        process.arguments = ["-p", directory, "-c", "\(directory)/nginx.conf"]
        process.standardError = FileHandle.nullDevice
        try process.run()
        defer {
            process.terminate()
            process.waitUntilExit()
        }
        try router.route(endpoints: ["n": [Endpoint(id: "nginx", address: .unix(path: socket))]])
        try await body()
    }

    @Test func `requests of many kinds come back as nginx answered them`() async throws {
        try await withRouter { router in
            try await withNginx(router) {
                #expect(try await router.get("/fn/n/echo?a=%20b").text == "GET /echo?a=%20b /fn/n")
                let whole = try await router.get("/fn/n/file.txt")
                #expect(
                    whole.body.count == 1_000_000 && whole["ETag"] != nil && whole["Server"]?.hasPrefix("nginx") == true
                )
                let part = try await router.get("/fn/n/file.txt", "Range: bytes=5-14\n")
                #expect(
                    part.status == 206 && part.text == "5678901234" && part["Content-Range"] == "bytes 5-14/1000000")
                let same = try await router.get("/fn/n/file.txt", "If-None-Match: \(whole["ETag"] ?? "")\n")
                #expect(same.status == 304 && same.body.isEmpty)
                let packed = try await router.get("/fn/n/file.txt", "Accept-Encoding: gzip\n")
                #expect(
                    packed.chunked && packed["Content-Encoding"] == "gzip" && packed.body.prefix(2) == [0x1F, 0x8B])
                let head = try await router.call("HEAD /fn/n/file.txt HTTP/1.1\nHost: h\n\n")
                #expect(head.status == 200 && head["Content-Length"] == "1000000")
                #expect(try await router.get("/fn/n/moved").status == 302)
                #expect(try await router.get("/fn/n/empty").status == 204)
                #expect(try await router.get("/fn/n/gone").status == 502)
                #expect(try await router.get("/fn/n/none").status == 404)
            }
        }
    }

    @Test func `an upload that nginx refuses at once is answered with its 413`() async throws {
        try await withRouter(loops: 1) { router in
            try await withNginx(router) {
                #expect(try await router.get("/fn/n/empty").status == 204)
                for _ in 0..<10 {
                    let answer = try await onThread { [port = router.port] in
                        let socket = try RawSocket.connect(port)
                        try socket.send("POST /fn/n/echo HTTP/1.1\r\nHost: h\r\nContent-Length: 50000000\r\n\r\n")
                        Thread { try? socket.send([UInt8](repeating: 120, count: 50_000_000)) }.start()
                        return try socket.receiveResponse()
                    }
                    #expect(answer.status == 413 && answer.text.contains("nginx"))
                }
            }
        }
    }

    @Test func `curl asks in its own ways`() async throws {
        try await withRouter { router in
            try await withNginx(router) {
                let url = "http://127.0.0.1:\(router.port)/fn/n/echo"
                for (arguments, expected) in [
                    (["--http2", url], "GET /echo /fn/n"), (["--http1.0", url], "GET /echo /fn/n"),
                    (["-d", "x", "-H", "Expect: 100-continue", url], "POST /echo /fn/n"),
                    (["-H", "Transfer-Encoding: chunked", "-d", "x", url], "POST /echo /fn/n"),
                    (["--path-as-is", url + "/../echo"], "bad-target"), (["-X", "BREW", url], "BREW /echo"),
                    ([url, url, url], "GET /echo /fn/nGET /echo /fn/nGET /echo /fn/n"),
                ] {
                    let output = try await onThread {
                        let process = Process()
                        let pipe = Pipe()
                        process.executableURL = URL(filePath: "/usr/bin/curl")
                        process.arguments = ["-s", "--max-time", "5"] + arguments
                        process.standardOutput = pipe
                        try process.run()
                        let data = pipe.fileHandleForReading.readDataToEndOfFile()
                        process.waitUntilExit()
                        return String(decoding: data, as: UTF8.self)
                    }
                    #expect(output.contains(expected), "\(arguments): \(output)")
                }
            }
        }
    }
}

import Contract
import Foundation
import Testing

@testable import Router

/// `/func`, the way to the roles.
@Suite struct ManagementTests {
    private func withRoles(
        token: String? = nil, timeout: Duration = .seconds(5),
        _ body: (TestRouter, (String) throws -> TestUpstream, String) async throws -> Void
    ) async throws {
        let directory = NSTemporaryDirectory() + "kiln-roles-" + UUID().uuidString.prefix(8)
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let management = RouterConfiguration.Management(
            builder: .unix(path: "\(directory)/builder"), deployer: .unix(path: "\(directory)/deployer"),
            internalToken: "inner", token: token, hostNames: ["Kiln.example"])
        try await withRouter(loops: 1, management: management, configure: { $0.timeouts.role = timeout }) { router in
            try await body(
                router,
                { role in
                    try TestUpstream(role, path: "\(directory)/\(role)") { request in
                        ok("\(role) \(request.line) \(request["Authorization"] ?? "") \(request.body.count)")
                    }
                }, directory)
        }
    }

    @Test func `deploys go to the Builder, everything else to the Deployer, each with the internal token`() async throws
    {
        try await withRoles { router, role, _ in
            let (builder, deployer) = (try role("builder"), try role("deployer"))
            let deploy = try await router.call(
                "POST /func?name=x&env=A%3D1 HTTP/1.1\nHost: localhost\nContent-Length: 3\nAuthorization: Bearer mine\n\nabc"
            )
            #expect(deploy.text == "builder POST /func?name=x&env=A%3D1 HTTP/1.1 Bearer inner 3")
            for (method, target) in [
                ("GET", "/func"), ("GET", "/func/x"), ("DELETE", "/func/x"), ("POST", "/func/x/rollback?to=2"),
                ("PUT", "/func"),
            ] {
                let answer = try await router.call("\(method) \(target) HTTP/1.1\nHost: 127.0.0.1:80\n\n")
                #expect(answer.text == "deployer \(method) \(target) HTTP/1.1 Bearer inner 0")
            }
            #expect(builder.requests.count == 1 && deployer.requests.count == 5)
            #expect(builder.requests[0]["X-Request-Id"] == deploy["X-Request-Id"])
            #expect(builder.requests[0]["Connection"] == "close")
            #expect(try await router.get("/internal/routes").status == 404)
        }
    }

    @Test func `a role may be named by its host`() async throws {
        let deployer = try TestUpstream("deployer", path: nil) { _ in ok("deployer") }
        guard case .tcp(_, let port) = deployer.endpoint.address else { return }
        let named = Endpoint.Address.tcp(host: "localhost", port: port)
        let management = RouterConfiguration.Management(builder: named, deployer: named, internalToken: "inner")
        try await withRouter(loops: 1, management: management) { router in
            let answer = try await router.call("GET /func HTTP/1.1\nHost: localhost\n\n")
            #expect(answer.text == "deployer")
        }
    }

    @Test func `a stranger gets nowhere near`() async throws {
        try await withRoles(token: "outer") { router, role, _ in
            let (builder, deployer) = (try role("builder"), try role("deployer"))
            for (fields, status, reason) in [
                ("Host: evil.example\nAuthorization: Bearer outer\n", 403, "foreign-host"),
                ("Host: localhost\nAuthorization: Bearer outer\nOrigin: http://localhost\n", 403, "cross-site"),
                ("Host: localhost\nAuthorization: Bearer outer\nSec-Fetch-Site: same-site\n", 403, "cross-site"),
                ("Host: localhost\n", 401, "token-required"),
                ("Host: localhost\nAuthorization: Bearer inner\n", 401, "token-invalid"),
            ] {
                for target in ["POST /func?name=x", "GET /func", "DELETE /func/x", "POST http://evil/func"] {
                    let answer = try await router.call("\(target) HTTP/1.1\n\(fields)Content-Length: 0\n\n")
                    if target.contains("evil") {
                        #expect(answer["X-Kiln-Reason"] == "foreign-host")
                        continue
                    }
                    #expect(answer.status == status && answer["X-Kiln-Reason"] == reason, "\(target) \(fields)")
                    #expect((answer["WWW-Authenticate"] != nil) == (status == 401))
                }
            }
            #expect(builder.accepted == 0 && deployer.accepted == 0)
            let answer = try await router.call(
                "GET /func HTTP/1.1\nHost: kiln.EXAMPLE:8080\nAuthorization: Bearer outer\n\n")
            #expect(answer.status == 200)
        }
    }

    @Test func `a role that starts again is waited for, each call made once`() async throws {
        try await withRoles { router, role, directory in
            async let early = router.call("POST /func?name=x HTTP/1.1\nHost: localhost\nContent-Length: 3\n\nabc")
            try await Task.sleep(for: .milliseconds(300))
            let builder = try role("builder")
            #expect(try await early.status == 200)
            #expect(builder.requests.count == 1)
            builder.stop()
            try await Task.sleep(for: .milliseconds(50))
            async let later = router.call("POST /func?name=x HTTP/1.1\nHost: localhost\nContent-Length: 3\n\nabc")
            try await Task.sleep(for: .milliseconds(300))
            let again = try role("builder")
            #expect(try await later.status == 200)
            #expect(again.requests.count == 1)
        }
    }

    @Test func `a role that stays away is 503`() async throws {
        try await withRoles(timeout: .milliseconds(300)) { router, _, _ in
            let answer = try await router.call("GET /func HTTP/1.1\nHost: localhost\n\n")
            #expect(
                answer.status == 503 && answer["X-Kiln-Reason"] == "role-unavailable" && answer["Retry-After"] != nil)
        }
    }

    @Test func `a deploy that waits for 100 Continue gets it from the Router`() async throws {
        try await withRoles { router, role, _ in
            let builder = try role("builder")
            try await onThread { [port = router.port] in
                let socket = try RawSocket.connect(port)
                try socket.send(
                    "POST /func?name=x HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"
                )
                #expect(try socket.receiveResponse().status == 100)
                try socket.send("abc")
                #expect(try socket.receiveResponse().status == 200)
            }
            #expect(builder.requests[0]["Expect"] == nil)
        }
    }

    @Test(arguments: [
        ("", "internal"), ("with space", "tab\t"), ("x", ""),
    ])
    func `tokens that can't be are refused at the start`(token: String, inner: String) async throws {
        var configuration = RouterConfiguration(listen: .address(host: "127.0.0.1", port: 0))
        configuration.management = .init(
            builder: .unix(path: "/x"), deployer: .unix(path: "/y"), internalToken: inner, token: token)
        #expect(throws: RouterError.self) { try configuration.validate() }
    }
}

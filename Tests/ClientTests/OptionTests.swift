import Client
import Contract
import Testing
import Transfer

/// Options that the client itself reads, and how failures become exit codes.
@Suite struct OptionTests {
    private let now = Timestamp(milliseconds: 1_800_000_000_000)

    @Test(arguments: [
        ("90s", Int64(90_000)), ("10m", 600_000), ("1h30m", 5_400_000), ("2d", 172_800_000), ("500ms", 500),
        ("1m5ms", 60_005),
    ])
    func `a time ago counts back from now`(text: String, milliseconds: Int64) throws {
        #expect(try LogSince.moment(text, now: now).milliseconds == now.milliseconds - milliseconds)
    }

    @Test(arguments: ["2026-01-31T12:00:00Z", "2026-01-31T12:00:00.250Z"])
    func `a moment is taken as it is`(text: String) throws {
        #expect(try LogSince.moment(text, now: now) == Timestamp(text))
    }

    @Test(arguments: ["", "10", "m", "10x", "1h30", "-5m", "99999999999999999999s", "yesterday", "1mm"])
    func `what is no time is refused with examples`(text: String) {
        #expect { try LogSince.moment(text, now: now) } throws: { "\($0)".contains("10m") }
    }

    @Test func `a file of variables is read line by line`() throws {
        let text = """
            # comment
            A=1
            export B = two words \t
            C='it''s $HOME \\n'
            D="a\\nb \\"q\\" \\\\"

            E=
            F=x=y#z
            """
        let found = try EnvironmentFile.parse(text, path: ".env")
        #expect(found.map(\.name) == ["A", "B", "C", "D", "E", "F"])
        #expect(found.map(\.value) == ["1", "two words", "it''s $HOME \\n", "a\nb \"q\" \\", "", "x=y#z"])
    }

    @Test(arguments: [
        ("A", ".env:1:"), ("A=1\n1B=2", ".env:2:"), ("A=\"x", ".env:1:"), ("A=1\n\nDENO_DIR=/", ".env:3:"),
    ])
    func `a wrong line of it is named`(text: String, place: String) {
        #expect { try EnvironmentFile.parse(text, path: ".env") } throws: { "\($0)".hasPrefix(place) }
    }

    @Test(arguments: [
        (400, Client.ExitStatus.usage), (401, .denied), (403, .denied), (404, .notFound), (409, .failed),
        (410, .notFound),
        (413, .usage), (422, .build), (500, .failed), (502, .failed), (503, .unreachable), (507, .failed),
    ])
    func `a status becomes an exit code`(status: Int, code: Client.ExitStatus) {
        #expect(ClientError(Problem("x", status, "X", "It is so.")).status == code)
    }

    @Test func `the exit codes are those of the documentation`() {
        #expect(Client.ExitStatus.allCases.map(\.rawValue) == [1, 2, 3, 4, 5, 6])
    }

    @Test func `a failure is a document with the exit code`() {
        let own = ClientError(.unreachable, "Nothing answers.").document
        #expect(own["exitCode"] == .integer(3) && own["detail"] == .string("Nothing answers."))
        #expect(own["type"] == .string("urn:kiln:client-unreachable"))
        let served = ClientError(Problem("busy", 503, "Busy", "Too much.", retryAfter: 2))
        #expect(served.document["status"] == .integer(503))
        #expect(served.message == "Too much. Try again in 2 s.")
    }

    @Test(arguments: ["", "ftp://x", "http://", "127.0.0.1:8080", "http://x/?q", "http://u:p@x"])
    func `what is no URL of a platform is refused`(url: String) {
        #expect(throws: ClientError.self) { try PlatformClient(url: url, token: nil, tls: .init()) }
    }

    @Test func `the roles are read from the metrics`() {
        let text = """
            # TYPE kiln_role_up gauge
            kiln_role_up{role="router"} 1
            kiln_role_up{role="builder"} 0
            kiln_build_info{role="router",version="1.2.3"} 1
            kiln_other{role="x"} 1
            """
        let roles = RoleReport.roles(in: text)
        #expect(roles.map(\.name) == ["router", "builder"] && roles.map(\.isUp) == [true, false])
        #expect(roles.map(\.version) == ["1.2.3", nil])
    }

    @Test func `a document keeps numbers, order of keys and what it does not know`() throws {
        let text = #"{"a":[1,2.5,true,null,"x/y\n"],"b":{"c":9007199254740993}}"#
        #expect(try #require(JSONValue(Array(text.utf8))).text == text)
        #expect(JSONValue(Array("{".utf8)) == nil)
    }
}

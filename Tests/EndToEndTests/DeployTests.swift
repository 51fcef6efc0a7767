import Foundation
import Testing
import Transfer

/// The line through all parts: POST, call, update, roll back, delete.
@Suite(.serialized) struct DeployTests {
    private func answering(_ text: String) -> String { "export default () => new Response('\(text)');" }

    @Test func `a function can be posted, called, changed, rolled back and deleted`() async throws {
        try await withPlatform { platform in
            let first = try await platform.deploy("hello", answering("one"))
            #expect(first.status == 201)
            #expect(first.json["revision"] as? Int == 1)
            #expect((first.json["digest"] as? String)?.hasPrefix("sha256:") == true)
            #expect(first.json["url"] as? String == platform.url + "/fn/hello")
            #expect(try await platform.get("/fn/hello").text == "one")

            let again = try await platform.deploy("hello", answering("one"))
            #expect(again.status == 200)
            #expect(again.json["unchanged"] as? Bool == true)
            #expect(again.json["revision"] as? Int == 1)

            let second = try await platform.deploy("hello", answering("two"))
            #expect(second.json["revision"] as? Int == 2)
            #expect(try await platform.get("/fn/hello").text == "two")

            let back = try await platform.call(.post, "/func/hello/rollback")
            #expect(back.status == 200)
            #expect(back.json["revision"] as? Int == 1)
            #expect(try await platform.get("/fn/hello").text == "one")

            let history = try await platform.get("/func/hello/revisions").json
            #expect((history["history"] as? [[String: Any]])?.compactMap { $0["revision"] as? Int } == [1, 2, 1])
            #expect((history["revisions"] as? [[String: Any]])?.count == 2)

            #expect(try await platform.call(.delete, "/func/hello").status == 204)
            let gone = try await platform.get("/fn/hello")
            #expect(gone.status == 404)
            #expect(gone.headers["Content-Type"] == "application/problem+json")

            let recreated = try await platform.deploy("hello", answering("three"))
            #expect(recreated.json["revision"] as? Int == 3)
        }
    }

    @Test func `the list comes in pages`() async throws {
        try await withPlatform { platform in
            for name in ["c", "a", "b"] { try await platform.mustDeploy(name, answering(name)) }
            let first = try await platform.get("/func?limit=2")
            #expect((first.json["functions"] as? [[String: Any]])?.compactMap { $0["name"] as? String } == ["a", "b"])
            #expect(first.json["next"] as? String == "b")
            #expect(first.headers["Link"] == "<\(platform.url)/func?limit=2&after=b>; rel=\"next\"")
            let last = try await platform.get("/func?limit=2&after=b")
            #expect((last.json["functions"] as? [[String: Any]])?.compactMap { $0["name"] as? String } == ["c"])
            #expect(last.json["next"] == nil && last.headers["Link"] == nil)
            for bad in ["limit=0", "limit=1001", "limit=x", "after=A_", "offset=1"] {
                #expect(try await platform.get("/func?" + bad).status == 400)
            }
        }
    }

    @Test func `of two posts that race the later one is live in the end`() async throws {
        try await withPlatform { platform in
            for round in 1...3 {
                let source = Array(answering("early \(round)").utf8)
                let (pieces, upload) = AsyncStream.makeStream(of: [UInt8].self)
                upload.yield(Array(source.prefix(10)))
                let request = ClientRequest(
                    .post, platform.url + "/func?name=race", body: .stream(length: source.count, pieces))
                async let early = platform.client.collect(request, limit: 1 << 20)
                try await Task.sleep(for: .milliseconds(200))
                try await platform.mustDeploy("race", answering("late \(round)"))
                upload.yield(Array(source.dropFirst(10)))
                upload.finish()
                let answer = try await early
                #expect(answer.status == 201)
                #expect(String(decoding: answer.body, as: UTF8.self).contains("\"superseded\":true"))
                #expect(try await platform.get("/fn/race").text == "late \(round)")
            }
        }
    }

    @Test func `what cannot run is refused with a reason and the live revision keeps serving`() async throws {
        try await withPlatform { platform in
            try await platform.mustDeploy("robust", answering("alive"))
            let refused = [
                "export default () => { syntax error", "export const answer = 42;",
                "import { x } from './missing.ts'; export default () => new Response(x);",
            ]
            for source in refused {
                let answer = try await platform.deploy("robust", source)
                #expect(answer.status == 422, "\(source): \(answer.text)")
                #expect((answer.json["diagnostics"] as? [[String: Any]])?.isEmpty == false, "\(answer.text)")
            }
            let crash = try await platform.deploy(
                "robust",
                "console.error('about to fail'); throw new Error('no luck'); export default () => new Response();")
            #expect(crash.status == 422)
            #expect((crash.json["logs"] as? [String])?.joined().contains("no luck") == true, "\(crash.text)")
            #expect(try await platform.get("/fn/robust").text == "alive")
        }
    }

    @Test func `a handler that throws answers 500, and a process that dies 502 until it is started again`() async throws
    {
        try await withPlatform { platform in
            try await platform.mustDeploy(
                "fragile",
                """
                export default (request) => {
                    const path = new URL(request.url).pathname;
                    if (path === '/throw') throw new Error('thrown');
                    if (path === '/die') { queueMicrotask(() => { Deno.exit(3); }); return new Promise(() => {}); }
                    return new Response('fine');
                };
                """)
            let thrown = try await platform.get("/fn/fragile/throw")
            #expect(thrown.status == 500 && thrown.headers["Content-Type"] == "application/problem+json")
            #expect(try await platform.get("/fn/fragile/die").status == 502)
            // The dying process may have taken one more connection.
            try await eventually("it is started again", within: .seconds(60)) {
                try await platform.get("/fn/fragile").text == "fine"
            }
            let shown = try await platform.get("/func/fragile").json
            #expect(shown["restarts"] as? Int ?? 0 >= 1)
            #expect((shown["lastFailure"] as? String)?.contains("3") == true)
        }
    }

    @Test func `bad input gets an answer that says what to do`() async throws {
        try await withPlatform(arguments: ["--max-source", "64Ki"]) { platform in
            let source = answering("x")
            let cases: [(String, [UInt8], Int)] = [
                ("/func?name=Bad_Name", Array(source.utf8), 400), ("/func", Array(source.utf8), 400),
                ("/func?name=x&nonsense=1", Array(source.utf8), 400),
                ("/func?name=x&memory=1", Array(source.utf8), 400),
                ("/func?name=x&env=LD_PRELOAD=y", Array(source.utf8), 400),
                ("/func?name=kiln", Array(source.utf8), 400),
                ("/func?name=x", [], 400), ("/func?name=x", [UInt8](repeating: 32, count: 70_000), 413),
                ("/func?name=x", [0xff, 0xfe, 0x00], 422),
            ]
            for (path, body, status) in cases {
                let answer = try await platform.call(.post, path, body: body)
                #expect(answer.status == status, "\(path): \(answer.text)")
                #expect(answer.headers["Content-Type"] == "application/problem+json", "\(path)")
                #expect((answer.json["detail"] as? String)?.isEmpty == false, "\(path)")
                #expect((answer.json["requestId"] as? String)?.isEmpty == false, "\(path)")
            }
            for path in [
                "/fn/unknown", "/fn/", "/nothing", "/func/unknown", "/func/unknown/revisions", "/internal/routes",
            ] {
                let answer = try await platform.get(path)
                #expect(answer.status == 404, "\(path): \(answer.text)")
                #expect(answer.headers["Content-Type"] == "application/problem+json", "\(path)")
            }
        }
    }

    @Test func `a function sees the URL that its caller wrote`() async throws {
        try await withPlatform { platform in
            let forms = [
                "export default (request) => new Response(request.url);",
                "Deno.serve((request) => new Response(new URL('/x', request.url).href));",
            ]
            for source in forms {
                try await platform.mustDeploy("address", source)
                #expect(try await platform.get("/fn/address/x").text == platform.url + "/x")
            }
        }
    }

    @Test func `a deploy that nobody waits for is told of where one looks for it`() async throws {
        try await withPlatform { platform in
            let answer = try await platform.deploy(
                "later", "throw new Error('no'); export default () => {};", "&wait=false")
            #expect(answer.status == 202)
            try await eventually("the failure is shown") {
                let latest = try await platform.get("/func/later").json["latest"] as? [String: Any]
                return latest?["state"] as? String == "failed" && (latest?["failure"] as? String)?.isEmpty == false
            }
        }
    }

    @Test func `a revision can be pinned and called by its number`() async throws {
        try await withPlatform { platform in
            try await platform.mustDeploy("pins", answering("one"))
            try await platform.mustDeploy("pins", answering("two"))
            #expect(try await platform.call(.post, "/func/pins/pin?revision=1").status == 204)
            #expect(try await platform.get("/fn/pins@1").text == "one")
            #expect(try await platform.get("/fn/pins").text == "two")
            #expect(try await platform.call(.delete, "/func/pins/pin?revision=1").status == 204)
            #expect(try await platform.get("/fn/pins@1").status == 404)
        }
    }

    @Test func `environment, secrets and logs reach their places and nowhere else`() async throws {
        try await withState { state, port, registryPort in
            let secret = "s3cret-\(UInt64.random(in: 0 ... .max))"
            let stored = try run(
                "sh", ["-c", "printf %s '\(secret)' | '\(Platform.program)' secret set API_KEY --state-dir '\(state)'"])
            #expect(stored.code == 0, "\(stored.output)")
            let platform = try await Platform(state: state, port: port, registryPort: registryPort)
            let source = """
                export default () => {
                    console.log('a line of the log');
                    return new Response(Deno.env.get('GREETING') + ' ' + (Deno.env.get('API_KEY') ?? '').length);
                };
                """
            let deployed = try await platform.deploy("settings", source, "&env=GREETING=hi%20there&secret=API_KEY")
            #expect(deployed.status == 201, "\(deployed.text)")
            #expect(try await platform.get("/fn/settings").text == "hi there \(secret.utf8.count)")
            try await eventually("the log has the line") {
                try await platform.get("/func/settings/logs").text.contains("a line of the log")
            }
            #expect(!platform.log.contains(secret))
            #expect(try await !platform.get("/func/settings").text.contains(secret))
            let missing = try await platform.deploy("settings", source, "&secret=NOT_THERE")
            #expect(missing.status == 422)
            #expect(missing.text.contains("NOT_THERE"))
            await platform.stop()
        }
    }
}

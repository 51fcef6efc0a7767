import Builder
import Glibc
import Testing
import Transfer

/// The scripts in a function's container, run by the real Deno as the image runs them.
@Suite struct BootstrapTests {
    @Test(arguments: [
        (HandlerForm.request, "export default (request) => new Response('hello ' + new URL(request.url).pathname)"),
        (
            .request,
            "export default { greeting: 'hello ', fetch(r) { return new Response(this.greeting + new URL(r.url).pathname) } }"
        ),
        (
            .event,
            "export default async function ({ req }) { await req.respondWith(new Response('hello ' + new URL(req.request.url).pathname)) }"
        ),
        (
            .event,
            "export default ({ req }) => { req.respondWith(Promise.resolve(new Response('hello ' + new URL(req.url).pathname))) }"
        ),
        (.serve, "Deno.serve((r) => new Response('hello ' + new URL(r.url).pathname))"),
        (
            .serve,
            "if (import.meta.main) Deno.serve({ port: 1234, handler: (r) => new Response('hello ' + new URL(r.url).pathname) })"
        ),
        (.node, "import http from 'node:http'; http.createServer((q, a) => a.end('hello ' + q.url)).listen(1234)"),
    ])
    func `every handler contract is served and drained`(form: HandlerForm, code: String) async throws {
        let outcome = try await withFunction(code, form) { function in
            let function = try #require(function)
            let answer = try await function.call("/path")
            #expect(answer.status == 200)
            #expect(answer.text == "hello /path")
            let head = try await function.call("/path", method: .head)
            #expect(head.status == 200)
            #expect(head.body.isEmpty)
        }
        #expect(outcome.exitCode == 0, "\(outcome.log)")
    }

    private static let slow = "console.log('begun'); await new Promise((done) => setTimeout(done, 500));"

    @Test(arguments: [
        (HandlerForm.request, "export default async () => { \(slow) return new Response('late') }"),
        (.serve, "Deno.serve(async () => { \(slow) return new Response('late') })"),
        (.node, "import http from 'node:http'; http.createServer(async (_, a) => { \(slow) a.end('late') }).listen(1)"),
        (.request, "setInterval(() => {}, 1000); export default async () => { \(slow) return new Response('late') }"),
    ])
    func `requests in flight are answered after SIGTERM, and new ones refused`(form: HandlerForm, code: String)
        async throws
    {
        let outcome = try await withFunction(code, form) { function in
            let function = try #require(function)
            async let answer = function.call("/")
            #expect(await eventually { function.log.contains("begun") })
            function.terminate()
            #expect(await eventually { (try? RawConnection(function.socket)) == nil })
            #expect(try await answer.text == "late")
        }
        #expect(outcome.exitCode == 0, "\(outcome.log)")
    }

    @Test func `what waits for the server to finish still runs after SIGTERM`() async throws {
        let code =
            "const server = Deno.serve(() => new Response('')); await server.finished; await 1; console.log('farewell')"
        let outcome = try await withFunction(code, .serve) { _ in }
        #expect(outcome.log.contains("farewell"))
        #expect(outcome.exitCode == 0)
    }

    @Test(arguments: [
        (HandlerForm.request, "export default () => { throw new Error('broken') }"),
        (.request, "export default async () => { await 1; throw new Error('broken') }"),
        (.request, "export default () => 'broken'"),
        (.event, "export default async () => { await 1; throw new Error('broken') }"),
        (.event, "export default ({ req }) => { req.respondWith(Promise.reject(new Error('broken'))) }"),
        (.event, "export default async ({ req }) => { /* broken: no answer */ }"),
        (.serve, "Deno.serve(() => { throw new Error('broken') })"),
    ])
    func `a handler that throws answers 500 and goes on`(form: HandlerForm, code: String) async throws {
        let outcome = try await withFunction(code, form) { function in
            let function = try #require(function)
            for _ in 1...2 { #expect(try await function.call("/").status == 500) }
            #expect(function.log.isEmpty == false)
        }
        #expect(outcome.exitCode == 0, "\(outcome.log)")
    }

    @Test func `an unhandled rejection ends the process and says why`() async throws {
        let code =
            "export default () => { setTimeout(() => Promise.reject(new Error('forgotten')), 20); return new Response('') }"
        let outcome = try await withFunction(code) { function in
            _ = try await function?.call("/")
            try await Task.sleep(for: .milliseconds(500))
        }
        #expect(outcome.exitCode == 1)
        #expect(outcome.log.contains("forgotten"))
    }

    @Test(arguments: [
        (HandlerForm.request, "export default undefined", "no default export"),
        (.request, "export default 5", "of type number"),
        (.request, "export default null", "null"),
        (.serve, "console.log('nothing to do')", "ended without a handler"),
        (.serve, "const s = Deno.serve(() => new Response('')); await s.shutdown()", "server has stopped"),
        (.request, "throw new Error('at the start')", "at the start"),
    ])
    func `a module that cannot serve says so and exits with 1`(form: HandlerForm, code: String, words: String)
        async throws
    {
        let outcome = try await withFunction(code, form) { _ in }
        #expect(outcome.exitCode == 1)
        #expect(outcome.log.contains(words), "\(outcome.log)")
    }

    @Test func `a module that serves by itself and exports a handler too has one server`() async throws {
        let code = "const handler = () => new Response('one'); Deno.serve(handler); export default handler"
        let outcome = try await withFunction(code) { function in
            let answer = try await function?.call("/")
            #expect(answer?.text == "one")
        }
        #expect(outcome.exitCode == 0, "\(outcome.log)")
    }

    @Test func `the function sees its environment, no arguments, and writes only to tmp`() async throws {
        let code = """
            const attempt = (work) => { try { return work() } catch (error) { return error.name } };
            export default () => Response.json({
              variable: Deno.env.get("GREETING"), arguments: Deno.args,
              tmp: attempt(() => Deno.writeTextFileSync("/tmp/kiln-builder-probe", "x") ?? Deno.removeSync("/tmp/kiln-builder-probe") ?? "written"),
              etc: attempt(() => Deno.readTextFileSync("/etc/passwd")),
              app: attempt(() => Deno.writeTextFileSync(new URL("x", import.meta.url), "x")),
              run: attempt(() => new Deno.Command("/bin/true").outputSync()),
              system: attempt(() => Deno.hostname()),
              library: attempt(() => Deno.dlopen("libc.so.6", {})),
            });
            """
        let outcome = try await withFunction(code, environment: ["GREETING": "Moin"]) { function in
            let answer = try #require(try await function?.call("/").text)
            #expect(
                answer == """
                    {"variable":"Moin","arguments":[],"tmp":"written","etc":"NotCapable","app":"NotCapable","run":"NotCapable",\
                    "system":"NotCapable","library":"NotCapable"}
                    """)
        }
        #expect(outcome.exitCode == 0, "\(outcome.log)")
    }
}

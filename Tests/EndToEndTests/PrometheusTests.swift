import Foundation
import Support
import Testing
import Transfer

/// The platform's metrics as Prometheus itself sees them.
@Suite(.serialized) struct PrometheusTests {
    @Test func `Prometheus scrapes the platform, and what it stores is what happened`() async throws {
        try await withPlatform { platform in
            try await platform.mustDeploy("hello", "export default () => new Response('hello');")
            try await platform.mustDeploy(
                "crash", "export default () => { setTimeout(() => Deno.exit(3), 10); return new Response('bye'); };")
            try await platform.mustDeploy("gone", "export default () => new Response('gone');")
            for _ in 0..<20 { #expect(try await platform.get("/fn/hello").status == 200) }
            for name in ["crash", "gone"] { #expect(try await platform.get("/fn/\(name)").status == 200) }
            #expect(try await platform.deploy("hello", "export default (;").status == 422)
            #expect(try await platform.call(.delete, "/func/gone").status == 204)
            try await withPrometheus(scraping: platform) { prometheus in
                try await prometheus.expect(#"up{job="kiln"}"#, 1)
                for role in ["router", "builder", "deployer"] {
                    try await prometheus.expect("kiln_role_up{role=\"\(role)\"}", 1)
                    try await prometheus.expect("process_resident_memory_bytes{role=\"\(role)\"} > bool 1e6", 1)
                }
                try await prometheus.expect(#"kiln_requests_total{function="hello",code="2xx"}"#, 20)
                try await prometheus.expect(#"kiln_request_duration_seconds_count{function="hello"}"#, 20)
                try await prometheus.expect(#"kiln_response_body_bytes_total{function="hello"}"#, 100)
                try await prometheus.expect(#"kiln_instances{function="hello",state="ready"}"#, 1)
                try await prometheus.expect(#"kiln_deploys_total{result="live"}"#, 3)
                try await prometheus.expect(#"kiln_builds_total{result="ok"}"#, 3)
                try await prometheus.expect(#"kiln_builds_total{result="check-failed"}"#, 1)
                try await prometheus.expect(#"kiln_build_phase_duration_seconds_count{phase="push"} > bool 0"#, 1)
                try await prometheus.expect(#"kiln_rollout_duration_seconds_count{cause="deploy",result="live"}"#, 3)
                try await prometheus.expect(#"kiln_instance_start_duration_seconds_count{result="ready"} > bool 2"#, 1)
                try await prometheus.expect(#"kiln_instance_ends_total{function="crash",reason="exit"}"#, 1)
                try await prometheus.expect("kiln_deletes_total", 1)
                try await prometheus.expect(#"count(kiln_requests_total{function="gone"} offset -5s) or vector(0)"#, 0)

                // The rate that Prometheus computes is the one that was asked.
                let started = ContinuousClock.now
                var asked = 0
                while started.duration(to: .now) < .seconds(8) {
                    _ = try await platform.get("/fn/hello")
                    asked += 1
                    try await Task.sleep(for: .milliseconds(50))
                }
                try await prometheus.expect(#"kiln_requests_total{function="hello",code="2xx"}"#, Double(20 + asked))
                let increase = try await prometheus.value(#"sum(increase(kiln_requests_total{function="hello"}[10m]))"#)
                #expect(
                    abs((increase ?? 0) - Double(asked)) < 0.5 * Double(asked),
                    "\(String(describing: increase)) of \(asked)")
            }
        }
    }

    @Test func `all that the dashboard and the alerts ask for exists`() async throws {
        try await withPlatform { platform in
            let text = try await platform.get("/metrics")
            #expect(text.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8")
            let check = try await command("promtool", ["check", "metrics"], input: text.bytes)
            #expect(check.succeeded && check.errors.isEmpty, "\(check.errors)")
            let exposed = Self.names(in: text.text)
            #expect(exposed.count > 40, "\(exposed.sorted())")

            let rules = Platform.root + "/docs/alerts.yml"
            let checked = try await command("promtool", ["check", "rules", rules])
            #expect(checked.succeeded, "\(checked.output)\(checked.errors)")
            let dashboard = try Self.dashboard()
            #expect(dashboard.expressions.count > 30)
            let used =
                dashboard.expressions.map(\.expression).joined(separator: "\n")
                + (try String(contentsOfFile: rules, encoding: .utf8))
            let documented = try String(contentsOfFile: Platform.root + "/docs/observability.md", encoding: .utf8)
            for name in Self.metricNames(in: used + documented) {
                #expect(exposed.contains(name), "\(name) is used and not exposed")
            }
            for name in exposed
            where name.hasPrefix("kiln_") && !name.hasSuffix("_bucket") && !name.hasSuffix("_sum")
                && !name.hasSuffix("_count")
            {
                #expect(documented.contains(name), "docs/observability.md does not tell of \(name)")
            }
            try await withPrometheus(scraping: platform, rules: rules) { prometheus in
                for (panel, expression) in dashboard.expressions {
                    let filled = expression.replacing("$__rate_interval", with: "1m").replacing("$function", with: ".*")
                    let answer = try await prometheus.query(filled)
                    #expect(answer["status"] as? String == "success", "\(panel): \(filled): \(answer)")
                }
            }
        }
    }

    @Test func `a role that hangs is shown as down, and the others' metrics still come`() async throws {
        try await withPlatform { platform in
            let builder = try #require(platform.child("builder"))
            kill(builder, SIGSTOP)
            defer { kill(builder, SIGCONT) }
            let text = try await platform.get("/metrics").text
            #expect(
                text.contains(#"kiln_role_up{role="builder"} 0"#) && text.contains(#"kiln_role_up{role="deployer"} 1"#))
            #expect(text.contains("kiln_functions 0"))
        }
    }

    @Test func `metrics and the API are for those who may manage`() async throws {
        try await withPlatform { platform in
            let foreign = try await platform.call(.get, "/metrics", headers: ["Host": "evil.example"])
            #expect(foreign.status == 403)
            let posted = try await platform.call(.post, "/metrics", body: [])
            #expect(posted.status == 405 && posted.headers["Allow"] == "GET, HEAD")
            let options = try run("curl", ["-si", "-X", "OPTIONS", platform.url + "/func"])
            #expect(options.output.hasPrefix("HTTP/1.1 405") && options.output.contains("Allow: GET, HEAD, POST"))
        }
    }

    /// The names behind `# TYPE`, with those of a histogram's or summary's samples.
    private static func names(in text: String) -> Set<String> {
        var names: Set<String> = []
        for line in text.split(separator: "\n") where line.hasPrefix("# TYPE ") {
            let words = line.split(separator: " ")
            let name = String(words[2])
            names.insert(name)
            if ["histogram", "summary"].contains(words[3]) { names.formUnion([name + "_sum", name + "_count"]) }
            if words[3] == "histogram" { names.insert(name + "_bucket") }
        }
        return names
    }

    private static func metricNames(in text: String) -> Set<String> {
        Set(text.matches(of: /\b(?:kiln|process)_[a-z0-9_]+/).map { String($0.output) })
    }

    private static func dashboard() throws -> (expressions: [(panel: String, expression: String)], title: String) {
        let data = try Data(contentsOf: URL(filePath: Platform.root + "/docs/grafana/kiln.json"))
        let object = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
        let panels = try #require(object["panels"] as? [[String: Any]])
        let identifiers = panels.compactMap { $0["id"] as? Int }
        #expect(Set(identifiers).count == panels.count)
        var expressions: [(String, String)] = []
        for panel in panels where panel["type"] as? String != "row" {
            let place = try #require(panel["gridPos"] as? [String: Int])
            #expect((place["x"] ?? 99) + (place["w"] ?? 99) <= 24)
            for target in try #require(panel["targets"] as? [[String: Any]]) {
                let expression = try #require(target["expr"] as? String)
                expressions.append((panel["title"] as? String ?? "", expression))
            }
        }
        return (expressions, object["title"] as? String ?? "")
    }
}

/// A Prometheus of Debian's, scraping a platform every second.
struct Prometheus: Sendable {
    let url: String
    let client: HTTPClient

    /// The answer to an instant query.
    func query(_ expression: String) async throws -> [String: Any] {
        let allowed = CharacterSet.alphanumerics
        let encoded = expression.addingPercentEncoding(withAllowedCharacters: allowed) ?? ""
        let answer = try await client.collect(
            ClientRequest(.get, "\(url)/api/v1/query?query=\(encoded)"), limit: 16 << 20)
        return (try JSONSerialization.jsonObject(with: Data(answer.body)) as? [String: Any]) ?? [:]
    }

    /// The first value of the answer; `nil` when it has none.
    func value(_ expression: String) async throws -> Double? {
        let data = try await query(expression)["data"] as? [String: Any]
        let result = (data?["result"] as? [[String: Any]])?.first
        return (result?["value"] as? [Any]).flatMap { $0.count == 2 ? $0[1] as? String : nil }.flatMap(Double.init)
    }

    /// Waits until the first value is `expected`.
    func expect(_ expression: String, _ expected: Double, sourceLocation: SourceLocation = #_sourceLocation)
        async throws
    {
        let deadline = ContinuousClock.now + .seconds(60)
        var found = try await value(expression)
        while found != expected, .now < deadline {
            try await Task.sleep(for: .milliseconds(200))
            found = try await value(expression)
        }
        #expect(found == expected, "\(expression)", sourceLocation: sourceLocation)
    }
}

/// Runs a Prometheus that scrapes `platform` beside `body`.
func withPrometheus(
    scraping platform: Platform, rules: String? = nil, _ body: @Sendable (Prometheus) async throws -> Void
) async throws {
    try await withTemporaryDirectory { directory in
        let target = platform.url.replacing("http://", with: "")
        let configuration = """
            global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 5s}
            \(rules.map { "rule_files: ['\($0)']" } ?? "")
            scrape_configs:
              - job_name: kiln
                static_configs: [{targets: ['\(target)']}]
            """
        try configuration.write(toFile: directory + "/prometheus.yml", atomically: true, encoding: .utf8)
        let prometheus = Prometheus(url: "http://127.0.0.1:\(try freePort())", client: try HTTPClient())
        let arguments = [
            "--config.file=\(directory)/prometheus.yml", "--storage.tsdb.path=\(directory)/data",
            "--web.listen-address=\(prometheus.url.dropFirst(7))", "--log.level=error",
        ]
        try await withChild("prometheus", arguments) { _ in
            let deadline = ContinuousClock.now + .seconds(60)
            while (try? await prometheus.value("up")) != 1, .now < deadline {
                try await Task.sleep(for: .milliseconds(100))
            }
            try await body(prometheus)
        }
    }
}

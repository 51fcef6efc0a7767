import Foundation
import Support
import Testing
import Transfer

/// The CEL rules of Kiln's own kinds, each by objects that it takes and objects that it refuses: judged by the evaluator that has nothing
/// to do with the API server in memory, and by that server.
@Suite struct CustomResourceRuleTests {
    enum Definition: String, Sendable, CaseIterable {
        case functions = "functions.kiln.dev"
        case revisions = "functionrevisions.kiln.dev"

        var kind: String { self == .functions ? "Function" : "FunctionRevision" }
        var file: String { "k8s/base/\(plural).yaml" }
        var plural: String { String(rawValue.prefix { $0 != "." }) }
    }

    /// An object, what it was before, and whether the rule with this message takes it.
    struct Row: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var definition: Definition
        var message: String
        var holds: Bool
        var object: String
        var old: String?
    }

    static let files = Definition.allCases.map(\.file)

    /// A function; without a configuration it has the default one.
    static func function(_ name: String, _ configuration: String? = nil) -> String {
        let part = configuration.map { #","configuration":\#($0)"# } ?? ""
        return #"""
            {"apiVersion":"kiln.dev/v1alpha1","kind":"Function","metadata":{"name":"\#(name)"},
             "spec":{"image":"\#(image)"\#(part)}}
            """#
    }

    static func revision(
        _ name: String, of function: String = "hello", number: Int = 1, min: Int = 1, max: Int = 10, more: String = "",
        ticket: Int = 1, environment: String = #"{"A":"1"}"#, status: String = "{}", image: String = Self.image
    ) -> String {
        #"""
        {"apiVersion":"kiln.dev/v1alpha1","kind":"FunctionRevision","metadata":{"name":"\#(name)"},
         "spec":{"function":"\#(function)","number":\#(number),"image":"\#(image)","created":"2026-11-22T10:00:00Z",
                 "ticket":\#(ticket),
                 "configuration":{"min":\#(min),"max":\#(max),"cpuMillicores":1000,"memoryBytes":268435456,
                     "timeoutSeconds":60,"concurrency":100,"network":"internet","environment":\#(environment),
                     "secrets":["KEY","OTHER"]\#(more)}},
         "status":\#(status)}
        """#
    }

    static let image = "registry:5000/kiln/hello@sha256:" + String(repeating: "a", count: 64)
    private static let length = "a function's name has at most 40 characters"
    private static let label = "a function's name is a DNS-1035 label, of a-z, 0-9 and '-', and starts with a letter"
    private static let order = "min must not exceed max"
    private static let called = "a revision is called FUNCTION-rNUMBER"
    private static let immutable = "a revision is immutable, make a new one"
    private static let alone = "the origin * is every one and stands alone"
    private static let named = "credentials need origins by name"
    private static let forty = String(repeating: "f", count: 40)

    private static func functions(_ message: String, _ rows: [(String, Bool, String, String?)]) -> [Row] {
        rows.map {
            Row(
                testDescription: $0.0, definition: .functions, message: message, holds: $0.1,
                object: function($0.2, $0.3))
        }
    }

    private static func revisions(_ message: String, _ rows: [(String, Bool, String, String?)]) -> [Row] {
        rows.map {
            Row(testDescription: $0.0, definition: .revisions, message: message, holds: $0.1, object: $0.2, old: $0.3)
        }
    }

    /// What may be said of pages of other origins, of their names or of credentials.
    private static func pages(alone: Bool) -> [(String, Bool, String)] {
        alone
            ? [
                ("* alone", true, #"{"origins":["*"]}"#),
                ("two names", true, #"{"origins":["https://a","https://b"]}"#),
                ("* and a name", false, #"{"origins":["https://a","*"]}"#),
            ]
            : [
                ("a name, credentials", true, #"{"origins":["https://a"],"credentials":true}"#),
                ("* without credentials", true, #"{"origins":["*"],"credentials":false}"#),
                ("* and not a word of credentials", true, #"{"origins":["*"]}"#),
                ("* and credentials", false, #"{"origins":["*"],"credentials":true}"#),
            ]
    }

    static let rows: [Row] =
        functions(
            length,
            [
                ("one letter", true, "f", nil), ("40 characters", true, forty, nil),
                ("41 characters", false, forty + "f", nil), ("63 characters", false, forty + forty.dropLast(17), nil),
            ])
        + functions(
            label,
            [
                ("a letter alone", true, "a", nil), ("letters, digits and hyphens", true, "a-1-b--2", nil),
                ("ends in a digit", true, "a9", nil), ("starts with a digit", false, "3hello", nil),
                ("a digit alone", false, "3", nil), ("a dot, which names of objects may have", false, "hello.dev", nil),
                ("one dot at the end of a long name", false, "f.f", nil),
            ])
        + functions(
            order,
            [
                ("no configuration: the default one", true, "hello", nil), ("an empty one", true, "hello", "{}"),
                ("the same", true, "hello", #"{"min":3,"max":3}"#), ("less", true, "hello", #"{"min":2,"max":3}"#),
                ("the largest", true, "hello", #"{"min":1000,"max":1000}"#),
                ("more", false, "hello", #"{"min":3,"max":2}"#),
                ("more than the default of what is not said", false, "hello", #"{"min":11}"#),
                ("as many as that default", true, "hello", #"{"min":10}"#),
                ("least is the default, most is said", true, "hello", #"{"max":1}"#),
            ])
        + functions(alone, pages(alone: true).map { ($0.0, $0.1, "hello", #"{"cors":\#($0.2)}"#) })
        + functions(named, pages(alone: false).map { ($0.0, $0.1, "hello", #"{"cors":\#($0.2)}"#) })
        + revisions(
            alone, pages(alone: true).map { ($0.0, $0.1, revision("hello-r1", more: #","cors":\#($0.2)"#), nil) })
        + revisions(
            named, pages(alone: false).map { ($0.0, $0.1, revision("hello-r1", more: #","cors":\#($0.2)"#), nil) })
        + revisions(
            called,
            [
                ("as its number says", true, revision("hello-r1"), nil),
                ("a large number", true, revision("hello-r9007199254740993", number: 9_007_199_254_740_993), nil),
                ("a name with the same ending", true, revision("hello-r1-r2", of: "hello-r1", number: 2), nil),
                ("another number", false, revision("hello-r2"), nil),
                ("leading zeros", false, revision("hello-r01"), nil),
                ("another function", false, revision("other-r1"), nil), ("no number", false, revision("hello"), nil),
                ("a longer function", false, revision("hellothere-r1"), nil),
                (
                    "digits in place of the hyphen and letter", false, revision("hell-r1234", of: "hell-r1", number: 4),
                    nil
                ),
            ])
        + revisions(
            order,
            [
                ("the same", true, revision("hello-r1", min: 4, max: 4), nil),
                ("less", true, revision("hello-r1"), nil), ("more", false, revision("hello-r1", min: 11), nil),
            ])
        + revisions(
            immutable,
            [
                ("nothing has changed", true, revision("hello-r1"), revision("hello-r1")),
                (
                    "only how it fares has", true, revision("hello-r1", status: #"{"state":"ready"}"#),
                    revision("hello-r1")
                ),
                ("another ticket", false, revision("hello-r1", ticket: 2), revision("hello-r1")),
                (
                    "another image", false, revision("hello-r1", image: image.replacing("aaa", with: "bbb")),
                    revision("hello-r1")
                ),
                ("a deeper value", false, revision("hello-r1", environment: #"{"A":"2"}"#), revision("hello-r1")),
                (
                    "a variable more", false, revision("hello-r1", environment: #"{"A":"1","B":""}"#),
                    revision("hello-r1")
                ),
                ("a field that was not set", false, revision("hello-r1", more: #","idle":0"#), revision("hello-r1")),
                ("a field let go of", false, revision("hello-r1"), revision("hello-r1", more: #","idle":0"#)),
            ])

    /// The rules as they are declared, and what the evaluator says of each row.
    private static func judged() async throws -> (rules: [KubernetesRules.Rule], verdicts: [[String]]) {
        let declared = try await kubernetesRules(of: files, rows: "[]")
        #expect(declared.broken == [])
        let asked = try rows.map { row in
            let rule = try #require(
                declared.rules.first { $0.definition == row.definition.rawValue && $0.message == row.message },
                "\(row.definition) has no rule that says: \(row.message)")
            let text = String(decoding: try JSONEncoder().encode(rule.rule), as: UTF8.self)
            let old = row.old.map { #","old":\#($0)"# } ?? ""
            return #"{"definition":"\#(row.definition.rawValue)","rule":\#(text),"object":\#(row.object)\#(old)}"#
        }
        let verdicts = try await kubernetesRules(of: files, rows: "[\(asked.joined(separator: ","))]").verdicts
        return (declared.rules, verdicts)
    }

    @Test func `each rule has a message, is that of one field, and has objects that it takes and refuses`() async throws
    {
        let rules = try await kubernetesRules(of: Self.files, rows: "[]").rules
        #expect(!rules.isEmpty)
        for rule in rules {
            #expect(!rule.message.isEmpty, "\(rule.definition): \(rule.rule)")
            let alike = rules.filter { ($0.definition, $0.message) == (rule.definition, rule.message) }
            #expect(alike.count == 1, "two rules of \(rule.definition) say: \(rule.message)")
            let rows = Self.rows.filter { $0.definition.rawValue == rule.definition && $0.message == rule.message }
            let taken = rows.count { $0.holds }
            #expect(taken > 0, "\(rule.definition): nothing that it takes: \(rule.rule)")
            #expect(rows.count > taken, "\(rule.definition): nothing that it refuses: \(rule.rule)")
            let before = rows.count { $0.old != nil }
            #expect(before == (rule.isTransition ? rows.count : 0), "\(rule.definition): \(rule.rule)")
        }
    }

    @Test func `an evaluator of its own takes and refuses what each rule is meant to`() async throws {
        let verdicts = try await Self.judged().verdicts
        #expect(verdicts.count == Self.rows.count)
        for (row, said) in zip(Self.rows, verdicts) {
            #expect(said == [row.holds ? "holds" : "broken"], "\(row.definition): \(row.testDescription)")
        }
    }

    @Test func `the API server takes and refuses the same, and says the rule's sentence at its field`() async throws {
        let (rules, _) = try await Self.judged()
        try await withKubernetes(manifests: Self.files) { server in
            for row in Self.rows {
                let rule = try #require(
                    rules.first { $0.definition == row.definition.rawValue && $0.message == row.message })
                if let old = row.old { #expect(try await Self.apply(old, row.definition, on: server).status < 300) }
                let answer = try await Self.apply(row.object, row.definition, on: server)
                if row.holds {
                    #expect(answer.status < 300, "\(row.testDescription): \(answer.text)")
                } else {
                    #expect(answer.status == 422, "\(row.testDescription): \(answer.text)")
                    let causes = try JSONDecoder().decode(Refusal.self, from: Data(answer.text.utf8)).details.causes
                    #expect(
                        causes.contains { $0.message.contains(row.message) && $0.field == rule.field },
                        "\(row.testDescription): \(causes)")
                }
                try await Self.delete(row.object, row.definition, on: server)
            }
        }
    }

    private struct Refusal: Decodable {
        struct Cause: Decodable {
            var message: String
            var field: String
        }
        struct Details: Decodable {
            var causes: [Cause]
        }
        var details: Details
    }

    private struct Named: Decodable {
        struct Metadata: Decodable {
            var name: String
        }
        var metadata: Metadata
    }

    private static func path(_ object: String, _ definition: Definition) throws -> String {
        let name = try JSONDecoder().decode(Named.self, from: Data(object.utf8)).metadata.name
        return "/apis/kiln.dev/v1alpha1/namespaces/functions/\(definition.plural)/\(name)"
    }

    private static func apply(
        _ object: String, _ definition: Definition, on server: KubernetesFixture
    ) async throws -> (status: Int, text: String) {
        let url = server.url + (try path(object, definition)) + "?fieldManager=test&force=true"
        let answer = try await server.client.collect(
            ClientRequest(
                .patch, url, headers: ["Content-Type": "application/apply-patch+yaml"], body: .text(object)),
            limit: 1 << 20)
        return (answer.status, String(decoding: answer.body, as: UTF8.self))
    }

    private static func delete(_ object: String, _ definition: Definition, on server: KubernetesFixture) async throws {
        let url = server.url + (try path(object, definition))
        _ = try await server.client.collect(ClientRequest(.delete, url), limit: 1 << 20)
    }
}

extension KubernetesRules.Rule {
    /// The field that a refusal names.
    fileprivate var field: String { path.isEmpty ? "<nil>" : path }
}

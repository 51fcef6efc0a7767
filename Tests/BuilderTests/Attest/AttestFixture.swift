import Builder
import Logging
import OCI
import Support

extension TestPackage {
    /// A package of CommonJS with types.
    static let sums = TestPackage(
        "sums", "1.0.0", main: "exports.sum = (a, b) => a + b;", manifest: #"{"types":"index.d.ts"}"#,
        files: ["index.d.ts": "export declare function sum(a: number, b: number): number;"])
}

extension Attestor {
    /// One that says it is of version 1.2.3 of Kiln.
    static func test(_ registry: Registry, _ key: SigningKey?) -> Attestor {
        Attestor(
            registry: registry, key: key, version: "1.2.3",
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }
}

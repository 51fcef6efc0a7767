import Foundation

/// Where the scripts of the fixtures are.
private let scripts = URL(filePath: #filePath).deletingLastPathComponent().path

/// An npm package to serve.
package struct TestPackage: Sendable {
    let name: String
    let version: String
    let files: [String: String]

    /// The package `name` with `main` as its module and `manifest` merged into its package.json.
    package init(
        _ name: String, _ version: String, main: String, manifest: String = "{}", files: [String: String] = [:]
    ) {
        self.name = name
        self.version = version
        var files = files
        files["index.js"] = main
        var described = (try? JSONSerialization.jsonObject(with: Data(manifest.utf8)) as? [String: Any]) ?? [:]
        described["name"] = name
        described["version"] = version
        let json = (try? JSONSerialization.data(withJSONObject: described, options: [.sortedKeys])) ?? Data()
        files["package.json"] = String(decoding: json, as: UTF8.self)
        self.files = files
    }

    func write(to directory: String) throws {
        for (path, content) in files {
            let file = URL(filePath: "\(directory)/\(name)/\(version)/\(path)")
            try FileManager.default.createDirectory(
                at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
            try Data(content.utf8).write(to: file)
        }
    }
}

/// Runs `body` beside an npm registry on the loopback device that has `packages`, and Debian's builds of those named in
/// `debian` with all they depend on; `body` gets its URL.
package func withNPMRegistry<Result: Sendable>(
    _ packages: [TestPackage] = [], debian: [String] = [], _ body: @Sendable (_ url: String) async throws -> Result
) async throws -> Result {
    try await withTemporaryDirectory { directory in
        for package in packages { try package.write(to: directory) }
        return try await withChildReady("python3", ["\(scripts)/npm_registry.py", directory] + debian) { port in
            try await body("http://127.0.0.1:\(port)/")
        }
    }
}

/// Runs `body` beside a web server on the loopback device that has `files`, by path, and the JSR packages in them as
/// `@scope/name/version/path`; with `certificate`, a PEM file of certificate and key, it speaks TLS.
package func withModuleServer<Result: Sendable>(
    _ files: [String: String], certificate: String? = nil, _ body: @Sendable (_ url: String) async throws -> Result
) async throws -> Result {
    try await withTemporaryDirectory { directory in
        for (path, content) in files {
            let file = URL(filePath: "\(directory)/\(path)")
            try FileManager.default.createDirectory(
                at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
            try Data(content.utf8).write(to: file)
        }
        let arguments = ["\(scripts)/module_server.py", directory] + [certificate].compactMap(\.self)
        return try await withChildReady("python3", arguments) { port in
            try await body("\(certificate == nil ? "http" : "https")://127.0.0.1:\(port)/")
        }
    }
}

import Contract
import OCI

/// An import of a module that is not the function's own: `npm:`, `jsr:`, `https:` or `http:`.
package struct ExternalImport: Hashable, Sendable, Codable {
    /// The specifier as it is written.
    package var specifier: String
    /// What `with { type: … }` says: `json`, or nothing.
    package var type: String?
    /// Whether it is imported for its types alone, and so not needed when the function runs; `nil` when not.
    package var types: Bool?
    /// The line of its first use, from 1.
    package var line: Int?
    /// The column of its first use in characters, from 1.
    package var column: Int?

    /// The file of its first use, where there are several.
    package var file: String?

    /// The import of `specifier`.
    package init(
        specifier: String, type: String? = nil, types: Bool? = nil, line: Int? = nil, column: Int? = nil,
        file: String? = nil
    ) {
        self.file = file
        self.specifier = specifier
        self.type = type
        self.types = types
        self.line = line
        self.column = column
    }

    /// Whether `source` may import anything from elsewhere: a quick look, for which a comment is enough.
    static func mayBe(in source: FunctionSource) -> Bool {
        switch source {
        case .module(let source): mayBe(in: source)
        case .files(let tree):
            tree.files.contains { path, content in
                // What is checked is in memory.
                if FileTree.isChecked(path), case .bytes(let bytes) = content { mayBe(in: bytes) } else { false }
            }
        }
    }

    private static func mayBe(in source: [UInt8]) -> Bool {
        let text = String(decoding: source, as: UTF8.self).lowercased()
        return ["npm:", "jsr:", "http:", "https:"].contains { text.contains($0) }
    }

    /// The digest over what a set of imports asks for, wherever in the source they are.
    package static func key(of imports: [ExternalImport]) -> Digest {
        var hash = InputHash()
        hash.add("kiln imports 1")
        for text in imports.map({ "\($0.types == true ? "types" : $0.type ?? "") \($0.specifier)" }).sorted() {
            hash.add(text)
        }
        return hash.digest()
    }
}

import ArgumentParser
import Client
import Contract

/// A function as an argument.
struct FunctionArgument: ExpressibleByArgument, Sendable {
    let text: String

    init?(argument: String) { text = argument }

    /// The name; throws a sentence when no function may be called so.
    func name() throws(ClientError) -> FunctionName { try FunctionNaming.name(text) }

    /// The shells ask the platform for the names.
    static let completion = CompletionKind.custom { words, _, prefix in
        await FunctionCompletion.names(words).filter { $0.hasPrefix(prefix) }
    }
}

/// A function and one of its revisions: `hello 3`, or `hello@3`.
struct RevisionArguments: ParsableArguments {
    @Argument(help: "The function, or function and revision as NAME@R.", completion: FunctionArgument.completion)
    var name: String

    @Argument(help: "The revision's number, unless it is part of the name.")
    var revision: Int?

    /// Both.
    func id() throws(ClientError) -> RevisionID {
        let parts = name.split(separator: "@", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        guard let number = parts.count == 2 ? (revision == nil ? Int(parts[1]) : nil) : revision, number > 0 else {
            throw ClientError(.usage, "Say which revision: 'NAME R' or 'NAME@R'. 'kiln revisions NAME' lists them.")
        }
        return RevisionID(function: try FunctionNaming.name(parts[0]), number: number)
    }
}

/// Function names for shell completion.
enum FunctionCompletion {
    /// The names that the platform has, as far as it answers within a second; none otherwise.
    static func names(_ words: [String]) async -> [String] {
        func value(_ option: String) -> String? {
            if let index = words.firstIndex(of: option), index + 1 < words.count { return words[index + 1] }
            return words.first { $0.hasPrefix(option + "=") }.map { String($0.dropFirst(option.count + 1)) }
        }
        var platform = PlatformOptions()
        platform.url = value("--url")
        platform.tokenFile = value("--token-file")
        platform.caFile = value("--ca-file")
        guard let client = try? platform.client() else { return [] }
        let document = try? await client.functions(idle: .seconds(1))
        return document?["functions"]?.array?.compactMap { $0["name"]?.string } ?? []
    }
}

import ArgumentParser
import Builder
import Client
import Contract
import Transfer

/// `kiln verify`.
struct VerifyCommand: ClientCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify", abstract: "Make a revision's image again from the source in it, and compare.",
        discussion: """
            Without a revision it is the live one. Ends with 1 when anything came out different, or when the image has no valid signature by the \
            platform's key. Nothing is changed.
            """)

    @Argument(help: "The function, or function and revision as NAME@R.", completion: FunctionArgument.completion)
    var name: String

    @OptionGroup(title: "Platform") var platform: PlatformOptions
    @OptionGroup(title: "Output") var output: OutputOptions

    func perform(_ printer: Printer) async throws(ClientError) {
        let parts = name.split(separator: "@", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        let name = try FunctionNaming.name(parts[0])
        var query: [(String, String)] = []
        if parts.count == 2 {
            guard let number = Int(parts[1]), number > 0 else {
                throw ClientError(.usage, "Say which revision as NAME@R. 'kiln revisions \(name)' lists them.")
            }
            query = [("revision", String(number))]
        }
        let client = try platform.client()
        let document = try await Progress.show("Making \(name) again …", on: printer) { () async throws(ClientError) in
            try await client.call(.post, ["func", name.value, "verify"], query: query, idle: .seconds(900)).document
        }
        let answer = try document.answer(Verification.self)
        if printer.isJSON { printer.document(document) } else { Self.print(answer, printer) }
        guard answer.identical else {
            throw ClientError(.failed, "\(name)@\(answer.revision) is not what its source makes.")
        }
        if let sentence = Self.fault(answer.signature) {
            throw ClientError(.failed, "\(name)@\(answer.revision) is what its source makes, but \(sentence)")
        }
        if !printer.isJSON {
            printer.line(
                "\(name)@\(answer.revision) is what its source makes\(answer.signature == .valid ? ", and signed" : "")."
            )
        }
    }

    private static func print(_ answer: Verification, _ printer: Printer) {
        var table = Table([.init("PART"), .init("DIGEST", shortest: 19), .init("RESULT")])
        func add(_ part: String, _ comparison: Verification.Comparison) {
            let result = comparison.identical ? (comparison.made == nil ? "kept" : "identical") : "different"
            table.add([
                .init(part), .init(comparison.stored.description, .dim),
                .init(result, comparison.identical ? .green : .red),
            ])
        }
        func add(_ prefix: String, _ layers: [Verification.LayerComparison], _ config: Verification.Comparison) {
            for layer in layers {
                add("\(prefix)\(layer.content.rawValue) layer", layer.digest)
                if layer.content == .code || !layer.diffID.identical {
                    add("\(prefix)\(layer.content.rawValue), unpacked", layer.diffID)
                }
            }
            add("\(prefix)configuration", config)
        }
        if let platforms = answer.platforms {
            for part in platforms {
                add("\(part.platform) ", part.layers, part.config)
                add("\(part.platform) manifest", part.manifest)
            }
            add("index", answer.manifest)
        } else {
            add("", answer.layers, answer.config)
            add("manifest", answer.manifest)
        }
        printer.table(table)
        if answer.sourceIdentical == false {
            printer.warn("The source in the image is not the one that the image says it was made from.")
        }
        for note in answer.notes { printer.warn(note) }
    }

    private static func fault(_ signature: Verification.Signature) -> String? {
        switch signature {
        case .valid, .unchecked: nil
        case .unsigned: "it is not signed."
        case .otherKey: "it is signed by another key than the platform's."
        case .otherImage: "its signature is of another image."
        }
    }
}

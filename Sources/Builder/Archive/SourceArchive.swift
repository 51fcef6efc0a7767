import Contract
import OCI

/// Reads what was posted: one module, or an archive of several files.
package struct SourceArchive: Sendable {
    private let limits: ArchiveLimits
    private let spool: SpoolDirectory?

    /// A reader with the limits `limits`. What is large and not looked at goes into `spool`; without one all stays in memory.
    package init(_ limits: ArchiveLimits, spool: SpoolDirectory? = nil) {
        self.limits = limits
        self.spool = spool
    }

    /// What `body` holds; `mediaType` is what it is said to be, and `entry` the module that handles requests, for an archive.
    /// Throws a ``Contract/Problem``. Unpacks: away from the caller's executor.
    @concurrent
    package func source(_ body: BlobContent, mediaType: String?, entry: String?) async throws -> FunctionSource {
        switch try Format(try body.part(0..<min(512, body.size)), mediaType: mediaType) {
        case nil:
            guard let entry else { return .module(try body.bytes()) }
            throw Problem(
                "invalid-option", 400, "Invalid option",
                InvalidOption(
                    name: "entry", value: entry,
                    reason:
                        "it names a module of an archive, and the body is a single module: leave it out, or send a tar"
                ).description)
        case .tar: return .files(try tree(body, isCompressed: false, entry))
        case .gzip: return .files(try tree(body, isCompressed: true, entry))
        }
    }

    private func tree(_ body: BlobContent, isCompressed: Bool, _ entry: String?) throws -> FileTree {
        var files = ArchiveFiles(limits, spool: spool)
        let sent = try body.size
        let maximum = limits.tarBytes(sent: sent, isCompressed: isCompressed)
        do {
            try TarWalk.visit(body, isCompressed: isCompressed, maximumSize: maximum) { header, content in
                try files.take(header, content)
            }
        } catch let error as OCIError {
            if error.code == .hostileLayer { throw expandsTooMuch(sent: sent, maximum, after: files.last) }
            if error.code == .diskFull || error.code == .file { throw error }
            throw ArchiveProblem.invalid("\(error.message) Make it again with 'tar czf'.")
        }
        return try files.tree(entry: entry)
    }

    private func expandsTooMuch(sent: Int, _ maximum: Int, after last: String?) -> Problem {
        let place = last.map { " at or after '\(ArchiveProblem.shown($0))'" } ?? ""
        if maximum == limits.tarBytes(sent: sent, isCompressed: false) {
            return ArchiveProblem.tooLarge(
                "The archive unpacks to more than \(limits.bytes) bytes\(place).", "--max-archive-bytes")
        }
        return ArchiveProblem.tooLarge(
            "The archive unpacks to more than \(limits.ratio) times the \(sent) bytes that were sent\(place).",
            "--max-archive-ratio")
    }
}

extension SourceArchive {
    /// What an archive comes as.
    enum Format {
        case tar
        case gzip

        /// The format of a body by `body`, its first 512 bytes, whatever it is said to be: curl says that everything is a form. `nil` for
        /// a module. Throws a 400 ``Contract/Problem`` for archives of other kinds, and for what is none and said to be one.
        init?(_ body: [UInt8], mediaType: String?) throws(Problem) {
            if body.starts(with: [0x1f, 0x8b]) {
                self = .gzip
                return
            }
            // The magic of ustar, pax and GNU (POSIX pax, "ustar Interchange Format").
            if body.count >= 512, body[257..<262].elementsEqual("ustar".utf8) {
                self = .tar
                return
            }
            let others: [(String, [UInt8])] = [
                ("a zip archive", [0x50, 0x4b, 3, 4]), ("compressed with zstd", [0x28, 0xb5, 0x2f, 0xfd]),
                ("compressed with xz", [0xfd, 0x37, 0x7a, 0x58, 0x5a]), ("compressed with bzip2", Array("BZh".utf8)),
            ]
            for (name, magic) in others where body.starts(with: magic) {
                throw ArchiveProblem.invalid("The body is \(name). Send a tar or a tar.gz: tar czf - -C DIR . …")
            }
            let type = mediaType?.split(separator: ";").first.map { $0.filter { $0 != " " }.lowercased() }
            switch type {
            case "application/x-tar", "application/tar":
                // A tar from before ustar has no magic.
                guard body.count >= 512 else { throw ArchiveProblem.invalid("The body is no tar: it is too short.") }
                self = .tar
            case "application/gzip", "application/x-gzip", "application/x-gtar", "application/x-tgz",
                "application/x-compressed-tar":
                throw ArchiveProblem.invalid("The body is not gzipped, though its Content-Type says so.")
            default: return nil
            }
        }
    }
}

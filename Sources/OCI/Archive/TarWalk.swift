/// Reads a tar (ustar, pax, GNU), gzipped or not, that somebody sent: what is in it is told as it stands, and nothing of it is believed.
package enum TarWalk {
    /// An entry's header.
    package struct Header: Sendable, Hashable {
        /// What an entry makes.
        package enum Kind: Sendable, Hashable {
            case directory
            /// A file of so many bytes.
            case file(size: Int)
            /// A file with holes, of so many bytes with them.
            case sparse(size: Int)
            /// A symbolic or hard link.
            case link
            /// A device, a pipe, or something unknown.
            case other
        }

        /// The path as it is written: it may be absolute, empty, or lead outside.
        package let path: String
        /// What the entry makes.
        package let kind: Kind
    }

    /// Reads the content of an entry into the writer it is given, as one part, and takes that; throws `malformed` when it is cut off.
    package typealias Content = (inout SpoolWriter) throws(OCIError) -> BlobContent

    /// Shows `visit` each entry in order. The function it is given reads the entry's content, once. What `visit` throws is thrown.
    ///
    /// Throws `malformed` for what is no tar, and `hostileLayer` as soon as the tar has more than `maximumSize` bytes.
    package static func visit(
        _ archive: BlobContent, isCompressed: Bool, maximumSize: Int,
        _ visit: (Header, _ content: Content) throws -> Void
    ) throws {
        var outcome: Result<Void, any Error> = .success(())
        try withUTF8Names { () throws(OCIError) in
            let type: MediaType = isCompressed ? .layerGzip : .layerTar
            let stream = try TarStream(unverified: archive, type, maximumSize: maximumSize)
            let reader = try ArchiveReader(stream)
            try reader.open()
            while let entry = try reader.next() {
                let header = Header(path: entry.path, kind: kind(of: entry))
                do {
                    try visit(header) { (spool) throws(OCIError) in try content(reader, header, &spool) }
                } catch {
                    outcome = .failure(error)
                    return
                }
            }
            // What follows the end of the tar counts too, and damage in it is damage.
            while try !stream.next().isEmpty {}
        }
        try outcome.get()
    }

    private static func kind(of entry: ArchiveReader.Entry) -> Header.Kind {
        switch entry.kind {
        case .directory: .directory
        case .file(let size): entry.isSparse ? .sparse(size: size) : .file(size: size)
        case .symlink, .hardLink: .link
        case .other: .other
        }
    }

    private static func content(
        _ reader: borrowing ArchiveReader, _ header: Header, _ spool: inout SpoolWriter
    ) throws(OCIError) -> BlobContent {
        guard case .file(let size) = header.kind else { return .bytes([]) }
        return try Tarball.content(reader, size: size, header.path, into: &spool)
    }
}

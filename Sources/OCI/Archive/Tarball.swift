/// Reads a gzipped tar that a package registry gave, such as npm's.
package enum Tarball {
    /// A regular file in it.
    package struct File: Sendable, Hashable {
        /// Its path below the archive's first directory, without `.`, `..` or empty parts.
        package let path: String
        /// Its content.
        package let bytes: [UInt8]
    }

    /// A regular file in it, which may be too large for memory.
    package struct Entry: Sendable, Hashable {
        /// Its path, as ``File/path``.
        package let path: String
        /// Its content.
        package let content: BlobContent
    }

    /// The regular files of the archive `bytes`, by path, without the directory that all of them are in. Of two with the
    /// same path the later one counts. Links, devices and the like are left out, as npm does.
    ///
    /// Throws `hostileLayer` for a path that leads outside, more than `maximumFiles` files, or more than `maximumSize`
    /// bytes unpacked, and `malformed` for what is no gzipped tar.
    package static func files(
        in bytes: [UInt8], maximumSize: Int, maximumFiles: Int
    ) throws(OCIError) -> [File] {
        var spool = SpoolWriter(nil, memory: 0)
        return try entries(in: .bytes(bytes), maximumSize: maximumSize, maximumFiles: maximumFiles, into: &spool)
            .map { entry throws(OCIError) in File(path: entry.path, bytes: try entry.content.bytes()) }
    }

    /// The same as ``files(in:maximumSize:maximumFiles:)`` with contents that are read into `spool`.
    package static func entries(
        in archive: BlobContent, maximumSize: Int, maximumFiles: Int, into spool: inout SpoolWriter
    ) throws(OCIError) -> [Entry] {
        try withUTF8Names { () throws(OCIError) in
            let stream = try TarStream(unverified: archive, .layerGzip, maximumSize: maximumSize)
            let reader = try ArchiveReader(stream)
            try reader.open()
            var found: [String: BlobContent] = [:]
            while let entry = try reader.next() {
                guard case .file(let size) = entry.kind else { continue }
                let path = try relative(entry.path)
                guard size <= maximumSize else {
                    throw OCIError(
                        .hostileLayer, "The archive's \(path.prefix(300)) has more than \(maximumSize) bytes.")
                }
                found[path] = try content(reader, size: size, path, into: &spool)
                guard found.count <= maximumFiles else {
                    throw OCIError(.hostileLayer, "The archive has more than \(maximumFiles) files.")
                }
            }
            return found.map { Entry(path: $0.key, content: $0.value) }.sorted { $0.path < $1.path }
        }
    }

    /// The content of the current file, of `size` bytes, as a part of `spool`.
    static func content(
        _ reader: borrowing ArchiveReader, size: Int, _ path: String, into spool: inout SpoolWriter
    ) throws(OCIError) -> BlobContent {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: max(1, min(size, 64 << 10)), alignment: 16)
        defer { buffer.deallocate() }
        while spool.count < size {
            let most = min(buffer.count, size - spool.count)
            let read = try reader.read(into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<most]))
            guard read > 0 else {
                throw OCIError(.malformed, "The archive's \(path.prefix(300)) is cut off.")
            }
            try spool.append(UnsafeRawBufferPointer(rebasing: buffer[..<read]))
        }
        return spool.take()
    }

    private static func relative(_ path: String) throws(OCIError) -> String {
        let parts = path.split(separator: "/").filter { $0 != "." }
        guard parts.count >= 2, !parts.contains(".."), !path.utf8.contains(0), path.utf8.count <= 4096 else {
            throw OCIError(
                .hostileLayer, "The archive has a file named '\(path.prefix(300))', which is not in a package.")
        }
        return parts.dropFirst().joined(separator: "/")
    }
}

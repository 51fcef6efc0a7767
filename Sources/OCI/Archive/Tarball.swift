/// Reads a gzipped tar that a package registry gave, such as npm's.
package enum Tarball {
    /// A regular file in it.
    package struct File: Sendable, Hashable {
        /// Its path below the archive's first directory, without `.`, `..` or empty parts.
        package let path: String
        /// Its content.
        package let bytes: [UInt8]
    }

    /// The regular files of the archive `bytes`, by path, without the directory that all of them are in. Of two with the
    /// same path the later one counts. Links, devices and the like are left out, as npm does.
    ///
    /// Throws `hostileLayer` for a path that leads outside, more than `maximumFiles` files, or more than `maximumSize`
    /// bytes unpacked, and `malformed` for what is no gzipped tar.
    package static func files(
        in bytes: [UInt8], maximumSize: Int, maximumFiles: Int
    ) throws(OCIError) -> [File] {
        try withUTF8Names { () throws(OCIError) in
            let stream = try TarStream(
                .bytes(bytes), Descriptor(describing: bytes, as: .layerGzip), maximumSize: maximumSize)
            let reader = try ArchiveReader(stream)
            try reader.open()
            var found: [String: [UInt8]] = [:]
            while let entry = try reader.next() {
                guard case .file(let size) = entry.kind else { continue }
                let path = try relative(entry.path)
                guard size <= maximumSize else {
                    throw OCIError(
                        .hostileLayer, "The archive's \(path.prefix(300)) has more than \(maximumSize) bytes.")
                }
                found[path] = try content(reader, size: size, path)
                guard found.count <= maximumFiles else {
                    throw OCIError(.hostileLayer, "The archive has more than \(maximumFiles) files.")
                }
            }
            return found.map { File(path: $0.key, bytes: $0.value) }.sorted { $0.path < $1.path }
        }
    }

    /// The content of the current file, of `size` bytes.
    static func content(
        _ reader: borrowing ArchiveReader, size: Int, _ path: String
    ) throws(OCIError) -> [UInt8] {
        var failure: OCIError?
        let bytes = [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
            do throws(OCIError) {
                while count < size {
                    let rest = UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(buffer)[count...])
                    let read = try reader.read(into: rest)
                    guard read > 0 else { break }
                    count += read
                }
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
        guard bytes.count == size else { throw OCIError(.malformed, "The archive's \(path.prefix(300)) is cut off.") }
        return bytes
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

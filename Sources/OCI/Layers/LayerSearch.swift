/// Looks for a name in a layer.
package enum LayerSearch {
    /// Whether the layer in `content`, as `descriptor` describes it, has an entry at `path`, which is relative and has no `.`. Reads until
    /// it is found. Throws `malformed` for what is no layer, and `hostileLayer` for more than `maximumSize` bytes.
    package static func finds(
        _ path: String, in content: BlobContent, _ descriptor: Descriptor, maximumSize: Int
    ) throws(OCIError) -> Bool {
        try withUTF8Names { () throws(OCIError) in
            let reader = try ArchiveReader(try TarStream(content, descriptor, maximumSize: maximumSize))
            try reader.open()
            while let entry = try reader.next() {
                if entry.path.split(separator: "/").filter({ $0 != "." }).joined(separator: "/") == path { return true }
            }
            return false
        }
    }
}

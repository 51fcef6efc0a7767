import CArchive
package import Contract
import Glibc

extension BlobCache {
    /// A blob in the cache.
    package struct Entry: Sendable, Hashable {
        /// Its digest.
        package let digest: Digest
        /// Its bytes on disk.
        package let size: Int
        /// Seconds since it came.
        package let age: Int
    }

    /// The blobs that are in the cache now.
    package func contents() -> [Entry] {
        guard let stream = opendir(directory + "/blobs/sha256") else { return [] }
        defer { closedir(stream) }
        var entries: [Entry] = []
        while let item = readdir(stream) {
            let name = withUnsafePointer(to: &item.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            guard let digest = try? Digest("sha256:" + name) else { continue }
            var status = stat()
            guard stat(path(of: digest), &status) == 0 else { continue }
            entries.append(Entry(digest: digest, size: Int(status.st_size), age: time(nil) - status.st_mtim.tv_sec))
        }
        return entries
    }
}

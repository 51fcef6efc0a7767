import Glibc

/// A log that a program of somebody else's appends to for as long as it runs, kept from growing for ever.
///
/// The program holds the file open (`O_APPEND`), so that the file is emptied in its place: what was in it goes to `<path>.1`, and what
/// is written in between the two steps is lost.
struct CappedLog: Sendable {
    let path: String
    /// Most bytes of the file, and of the one before.
    let limit: Int64

    /// Empties the file when it is larger than the limit. Returns whether it was.
    @discardableResult
    func trim() -> Bool {
        let source = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW)
        guard source >= 0 else { return false }
        defer { close(source) }
        var status = stat()
        guard fstat(source, &status) == 0, Int64(status.st_size) > limit else { return false }
        let earlier = open(path + ".1", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0o600)
        if earlier >= 0 {
            defer { close(earlier) }
            var offset = off_t(Int64(status.st_size) - limit)
            while offset < status.st_size {
                let moved = sendfile(earlier, source, &offset, Int(status.st_size - offset))
                if moved <= 0 { break }
            }
        }
        return ftruncate(source, 0) == 0
    }

    /// Looks again and again until cancelled.
    func watch() async {
        while !Task.isCancelled {
            trim()
            try? await Task.sleep(for: .seconds(5))
        }
    }
}

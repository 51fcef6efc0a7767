#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Which file a path leads to, and in which state: another one means that its contents may have changed. Links are followed, because it is
/// links that certbot and Kubernetes exchange.
struct FileIdentity: Equatable, Sendable {
    private let device: UInt64
    private let number: UInt64
    private let size: Int64
    private let seconds: Int
    private let nanoseconds: Int

    /// Of the file at `path`; `nil`: there is none.
    init?(_ path: String) {
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        device = UInt64(status.st_dev)
        number = UInt64(status.st_ino)
        size = Int64(status.st_size)
        seconds = status.st_mtim.tv_sec
        nanoseconds = status.st_mtim.tv_nsec
    }
}

/// The states of both files of a certificate.
struct PairIdentity: Equatable, Sendable {
    private let certificate: FileIdentity?
    private let key: FileIdentity?

    init(_ files: TLSFiles) {
        certificate = FileIdentity(files.certificate)
        key = FileIdentity(files.key)
    }
}

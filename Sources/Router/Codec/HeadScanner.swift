#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Finds the end of a head in bytes that arrive piece by piece, looking at each byte once.
///
/// It refuses early: a line without CR before its LF, or a limit that is already passed, is answered without waiting
/// for the rest.
struct HeadScanner {
    /// Limits of a head.
    struct Limits {
        /// The longest start line in bytes.
        var startLine: Int
        /// The longest head in bytes, start line included; at most ``Head/maximumLength``.
        var bytes: Int
        /// The largest number of field lines.
        var fields: Int
    }

    let limits: Limits
    private var lineStart = 0
    private var scanned = 0
    private var lines = 0

    init(limits: Limits) { self.limits = limits }

    /// The length of the head at the start of `bytes`, its empty line included, or `nil` when it isn't complete.
    ///
    /// Until it returns a length, each call must be given the bytes of the one before and what came since.
    mutating func scan(_ bytes: UnsafeRawBufferPointer) throws(SyntaxError) -> Int? {
        guard let base = bytes.baseAddress else { return nil }
        while scanned < bytes.count {
            guard let found = memchr(base + scanned, Int32(ASCII.lineFeed), bytes.count - scanned) else {
                scanned = bytes.count
                break
            }
            let lineFeed = UnsafeRawPointer(found) - base
            guard lineFeed > lineStart, bytes[lineFeed - 1] == ASCII.carriageReturn else { throw .bareLineFeed }
            scanned = lineFeed + 1
            if lineFeed == lineStart + 1 {
                if lines == 0 { throw .malformedStartLine }
                try check(length: scanned, startLine: nil)
                let length = scanned
                self = HeadScanner(limits: limits)
                return length
            }
            try check(length: scanned, startLine: lines == 0 ? lineFeed - 1 : nil)
            lines += 1
            if lines - 1 > limits.fields { throw .tooManyFields }
            lineStart = scanned
        }
        // The last byte may be the CR of the line.
        try check(length: scanned, startLine: lines == 0 ? scanned - 1 : nil)
        return nil
    }

    private func check(length: Int, startLine: Int?) throws(SyntaxError) {
        if let startLine, startLine > limits.startLine { throw .targetTooLong }
        if length > limits.bytes { throw .headTooLarge }
    }
}

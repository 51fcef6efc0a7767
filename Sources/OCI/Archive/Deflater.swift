import CZlib

/// Compresses into one gzip member.
protocol GzipCompressor: ~Copyable {
    /// Compresses `bytes`.
    mutating func write(_ bytes: UnsafeRawBufferPointer, to sink: Deflater.Sink) throws(OCIError)
    /// Writes what is left and the trailer.
    consuming func finish(to sink: Deflater.Sink) throws(OCIError)
}

/// Compresses into one gzip member whose header says nothing of this machine: no name, time 0, system 255, "unknown".
struct Deflater: GzipCompressor, ~Copyable {
    /// Where the compressed bytes go, in pieces.
    typealias Sink = (UnsafeRawBufferPointer) throws(OCIError) -> Void

    // zlib keeps pointers back to both, so neither may move.
    private let stream: UnsafeMutablePointer<z_stream>
    private let header: UnsafeMutablePointer<gz_header>
    private let buffer: UnsafeMutableRawBufferPointer

    /// A compressor of zlib's `level`.
    init(level: Int32) throws(OCIError) {
        let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
        stream.initialize(to: z_stream())
        let header = UnsafeMutablePointer<gz_header>.allocate(capacity: 1)
        header.initialize(to: gz_header())
        header.pointee.os = 255
        // 16 asks for gzip instead of zlib framing.
        let code = deflateInit2_(
            stream, level, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION,
            Int32(MemoryLayout<z_stream>.size))
        guard code == Z_OK, deflateSetHeader(stream, header) == Z_OK else {
            deflateEnd(stream)
            stream.deallocate()
            header.deallocate()
            throw OCIError(.library, "zlib could not be started (code \(code)).")
        }
        self.stream = stream
        self.header = header
        buffer = .allocate(byteCount: 128 << 10, alignment: 16)
    }

    deinit {
        deflateEnd(stream)
        stream.deallocate()
        header.deallocate()
        buffer.deallocate()
    }

    /// Compresses `bytes`.
    func write(_ bytes: UnsafeRawBufferPointer, to sink: Sink) throws(OCIError) {
        // zlib counts in 32 bits.
        var rest = bytes[...]
        while !rest.isEmpty {
            let part = UnsafeRawBufferPointer(rebasing: rest.prefix(1 << 30))
            rest = rest.dropFirst(part.count)
            // zlib does not write through next_in; its C declaration only lacks the const.
            stream.pointee.next_in = UnsafeMutableRawPointer(mutating: part.baseAddress)?.assumingMemoryBound(
                to: UInt8.self)
            stream.pointee.avail_in = UInt32(part.count)
            while stream.pointee.avail_in > 0 { _ = try step(Z_NO_FLUSH, to: sink) }
        }
    }

    /// Writes what is left and the trailer.
    consuming func finish(to sink: Sink) throws(OCIError) {
        stream.pointee.next_in = nil
        stream.pointee.avail_in = 0
        while try step(Z_FINISH, to: sink) != Z_STREAM_END {}
    }

    private func step(_ flush: Int32, to sink: Sink) throws(OCIError) -> Int32 {
        stream.pointee.next_out = buffer.baseAddress?.assumingMemoryBound(to: UInt8.self)
        stream.pointee.avail_out = UInt32(buffer.count)
        let code = deflate(stream, flush)
        guard code == Z_OK || code == Z_STREAM_END || code == Z_BUF_ERROR else {
            throw OCIError(.library, "zlib could not compress (code \(code)).")
        }
        let count = buffer.count - Int(stream.pointee.avail_out)
        if count > 0 { try sink(UnsafeRawBufferPointer(rebasing: buffer[..<count])) }
        return code
    }
}

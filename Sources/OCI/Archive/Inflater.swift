import CZlib

/// Decompresses gzip: one member or several in a row, as parallel compressors write them (RFC 1952 §2.2).
struct Inflater: ~Copyable {
    /// How one call ended.
    enum Step: Equatable {
        /// So many bytes were written; there may be more of the same input.
        case wrote(Int)
        /// All of the input is used up and all of its output written.
        case needsInput
    }

    // zlib keeps a pointer back to it.
    private let stream: UnsafeMutablePointer<z_stream>
    private var isInsideMember = false

    init() throws(OCIError) {
        let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
        stream.initialize(to: z_stream())
        // 16 asks for gzip framing.
        let code = inflateInit2_(stream, MAX_WBITS + 16, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
        guard code == Z_OK else {
            stream.deallocate()
            throw OCIError(.library, "zlib could not be started (code \(code)).")
        }
        self.stream = stream
    }

    deinit {
        inflateEnd(stream)
        stream.deallocate()
    }

    /// Whether the input so far ends with a whole member.
    var isComplete: Bool { !isInsideMember }

    /// Offers the next input, which must stay in place until `step` answers `needsInput`. At most 4 GiB.
    mutating func offer(_ input: UnsafeRawBufferPointer) {
        // zlib does not write through next_in; its C declaration only lacks the const.
        stream.pointee.next_in = UnsafeMutableRawPointer(mutating: input.baseAddress)?.assumingMemoryBound(
            to: UInt8.self)
        stream.pointee.avail_in = UInt32(input.count)
    }

    /// Decompresses into `output`.
    mutating func step(into output: UnsafeMutableRawBufferPointer) throws(OCIError) -> Step {
        stream.pointee.next_out = output.baseAddress?.assumingMemoryBound(to: UInt8.self)
        stream.pointee.avail_out = UInt32(output.count)
        while stream.pointee.avail_out > 0 {
            if !isInsideMember, stream.pointee.avail_in == 0 { break }
            isInsideMember = true
            let code = inflate(stream, Z_NO_FLUSH)
            if code == Z_STREAM_END {
                isInsideMember = false
                guard inflateReset(stream) == Z_OK else { throw OCIError(.library, "zlib could not go on.") }
            } else if code == Z_BUF_ERROR {
                break
            } else if code != Z_OK {
                throw OCIError(.malformed, "The gzip stream is none, or damaged.")
            }
        }
        let count = output.count - Int(stream.pointee.avail_out)
        return count == 0 ? .needsInput : .wrote(count)
    }
}

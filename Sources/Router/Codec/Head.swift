import NIOCore

/// The bytes of a message head and where its fields are.
///
/// Nothing is copied out: names and values stay in the received buffer, and what is passed on is taken from there byte
/// by byte, so that bytes which are no UTF-8 survive.
struct Head {
    /// One field line: offsets into ``bytes``.
    struct Field {
        /// The line begins with the name.
        let start: UInt16
        /// The colon.
        let nameEnd: UInt16
        /// The value, without blanks around it.
        let valueStart: UInt16
        let valueEnd: UInt16
        /// What the name means.
        let name: FieldName
    }

    /// The longest head in bytes that the offsets can count.
    static let maximumLength = Int(UInt16.max)

    /// The whole head, start line and final empty line included.
    var bytes: ByteBuffer
    /// The field lines in the order in which they came.
    var fields: [Field] = []

    /// Calls `body` with the bytes of the head.
    @inline(__always)
    func withBytes<Result, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        // `withUnsafeReadableBytes` rethrows untyped; the result carries the typed error out.
        let result: Swift.Result<Result, Failure> = bytes.withUnsafeReadableBytes { bytes in
            do throws(Failure) { return .success(try body(bytes)) } catch { return .failure(error) }
        }
        return try result.get()
    }

    /// The text of `range`; bytes that are no UTF-8 are replaced, so this is for logs and comparisons, not for passing
    /// on.
    func text(_ range: Range<Int>) -> String { withBytes { String(decoding: $0.part(range), as: UTF8.self) } }

    /// The names at `ranges`, in lower case.
    func names(_ ranges: [Range<Int>]) -> [String] { ranges.map { text($0).lowercased() } }

    /// The value of the first field named `name`.
    func value(_ name: FieldName) -> String? {
        for field in fields where field.name == name { return text(field.value) }
        return nil
    }

    /// The value of the first field whose name is `name`, in lower case: for names that are ``FieldName/other``.
    func value(of name: StaticString) -> String? {
        withBytes { bytes in
            for field in fields where bytes.part(field.nameRange).matches(name) {
                return String(decoding: bytes.part(field.value), as: UTF8.self)
            }
            return nil
        }
    }
}

extension Head.Field {
    @inline(__always) var nameRange: Range<Int> { Int(start)..<Int(nameEnd) }
    @inline(__always) var value: Range<Int> { Int(valueStart)..<Int(valueEnd) }
}

extension Head {
    /// Parses the field lines that begin at `offset` and end with the empty line at the end of `bytes`.
    ///
    /// Strict where leniency has led to request smuggling: a line ends with CR LF, a name is a token followed at once
    /// by its colon, nothing is folded (RFC 9112 §5.2), and no control byte stands in a value.
    static func parseFields(
        _ bytes: UnsafeRawBufferPointer,
        from offset: Int,
        into fields: inout [Field]
    ) throws(SyntaxError) {
        var position = offset
        let end = bytes.count - 2
        while position < end {
            let start = position
            while position < end, ASCII.isToken(bytes[position]) { position += 1 }
            guard position < end, bytes[position] == ASCII.colon, position > start else {
                throw ASCII.isBlank(bytes[start]) ? .foldedField : .malformedFieldName
            }
            let nameEnd = position
            position += 1
            while position < end, ASCII.isBlank(bytes[position]) { position += 1 }
            let valueStart = position
            while ASCII.isFieldValue(bytes[position]) { position += 1 }
            guard position < end, bytes[position] == ASCII.carriageReturn, bytes[position + 1] == ASCII.lineFeed else {
                throw .malformedFieldValue
            }
            var valueEnd = position
            while valueEnd > valueStart, ASCII.isBlank(bytes[valueEnd - 1]) { valueEnd -= 1 }
            position += 2
            fields.append(
                Field(
                    start: UInt16(truncatingIfNeeded: start),
                    nameEnd: UInt16(truncatingIfNeeded: nameEnd),
                    valueStart: UInt16(truncatingIfNeeded: valueStart),
                    valueEnd: UInt16(truncatingIfNeeded: valueEnd),
                    name: FieldName(bytes.part(start..<nameEnd))
                )
            )
        }
    }
}

/// What is wrong with the bytes of a message.
enum SyntaxError: Error, Equatable {
    case malformedStartLine
    case unsupportedVersion
    /// HTTP/2 begins here (RFC 9113, 3.4).
    case http2Preface
    case bareLineFeed
    case foldedField
    case malformedFieldName
    case malformedFieldValue
    case targetTooLong
    case headTooLarge
    case tooManyFields
    case malformedChunk
    case chunkExtensionTooLong
    case trailersTooLarge
    case malformedTrailer
    case malformedFraming
    case unsupportedTransferCoding
    /// The connection ended inside a message.
    case truncated
}

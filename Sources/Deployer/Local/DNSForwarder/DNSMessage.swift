/// The little that a forwarder needs to know of a DNS message (RFC 1035 §4.1).
struct DNSMessage: Sendable, Hashable {
    /// The longest message over UDP that is forwarded (RFC 6891 §6.2.5).
    static let largestDatagram = 4096

    private static let headerLength = 12
    let bytes: [UInt8]

    /// A message; `nil` when it is too short for a header.
    init?(_ bytes: [UInt8]) {
        guard bytes.count >= Self.headerLength else { return nil }
        self.bytes = bytes
    }

    /// The number with which an answer refers to its query.
    var id: UInt16 { UInt16(bytes[0]) << 8 | UInt16(bytes[1]) }
    /// Whether it is an answer.
    var isResponse: Bool { bytes[2] & 0x80 != 0 }

    /// The bytes of its only question; `nil` when there is not exactly one, or when it does not end inside the message.
    var question: ArraySlice<UInt8>? {
        guard bytes[4] == 0, bytes[5] == 1 else { return nil }
        var offset = Self.headerLength
        while offset < bytes.count {
            let length = Int(bytes[offset])
            // A pointer has nothing to point at yet (§4.1.4).
            guard length < 64 else { return nil }
            offset += 1 + length
            if length == 0 {
                guard offset + 4 <= bytes.count else { return nil }
                return bytes[Self.headerLength..<offset + 4]
            }
        }
        return nil
    }

    /// Whether this may answer `query`: anyone who guesses the port could send something else.
    func answers(_ query: DNSMessage) -> Bool {
        guard isResponse, id == query.id else { return false }
        // A server that could not read the query may answer without the question.
        if bytes[4] == 0, bytes[5] == 0 { return true }
        return question.map { $0 == query.question } ?? false
    }

    /// The answer that says that no server could be asked (RCODE 2).
    var failure: [UInt8] {
        let question = question ?? []
        let flags: [UInt8] = [0x80 | (bytes[2] & 0x79), 0x80 | 2]
        return Array(bytes[0..<2]) + flags + [0, question.isEmpty ? 0 : 1, 0, 0, 0, 0, 0, 0] + question
    }
}

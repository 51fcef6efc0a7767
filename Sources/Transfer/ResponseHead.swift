/// Status and field lines of an answer.
struct ResponseHead: Sendable, Hashable {
    var status: Int
    var headers: HeaderFields
}

/// Puts an answer's head together from the lines that libcurl hands over one at a time.
struct ResponseHeadParser {
    /// What a line led to.
    enum Step: Equatable {
        /// More lines must follow, or the line is of no interest (a trailer).
        case more
        /// The head of the final answer is complete.
        case complete(ResponseHead)
        /// The head is larger than ``maximumSize``.
        case tooLarge
    }

    /// More than any honest server sends; a hostile one must not fill the memory.
    static let maximumSize = 256 << 10

    private var head: ResponseHead?
    private var isComplete = false
    private var size = 0

    /// Takes the next line, with or without its line break.
    mutating func take(_ line: some Collection<UInt8>) -> Step {
        size += line.count
        guard size <= Self.maximumSize else { return .tooLarge }
        guard !isComplete else { return .more }
        let text = line.trimmed
        if text.starts(with: "HTTP/".utf8), let status = Self.status(text) {
            head = ResponseHead(status: status, headers: [:])
            return .more
        }
        guard let current = head else { return .more }
        if text.isEmpty {
            // 1xx answers precede the final one (RFC 9110 §15.2).
            if (100...199).contains(current.status), current.status != 101 {
                head = nil
                return .more
            }
            isComplete = true
            return .complete(current)
        }
        if let colon = text.firstIndex(of: UInt8(ascii: ":")) {
            let name = String(decoding: text[..<colon].trimmed, as: UTF8.self)
            let value = String(decoding: text[text.index(after: colon)...].trimmed, as: UTF8.self)
            head?.headers.append(name, value)
        }
        return .more
    }

    /// The code in `HTTP/1.1 200 OK`.
    private static func status(_ line: some Collection<UInt8>) -> Int? {
        let parts = line.split(separator: UInt8(ascii: " "), maxSplits: 2)
        guard parts.count >= 2, parts[1].count == 3 else { return nil }
        return Int(String(decoding: parts[1], as: UTF8.self))
    }
}

extension Collection<UInt8> {
    /// Without white space at both ends.
    fileprivate var trimmed: SubSequence {
        func isSpace(_ byte: UInt8) -> Bool { byte == 32 || byte == 9 || byte == 13 || byte == 10 }
        guard let first = firstIndex(where: { !isSpace($0) }) else { return self[endIndex...] }
        var end = first
        var index = first
        while index != endIndex {
            if !isSpace(self[index]) { end = self.index(after: index) }
            formIndex(after: &index)
        }
        return self[first..<end]
    }
}

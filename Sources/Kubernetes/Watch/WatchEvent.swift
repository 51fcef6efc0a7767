import FoundationEssentials

/// What a watch says.
enum WatchEvent<Object: WatchedObject>: Sendable {
    /// An object that is new, or has begun to match the selectors.
    case added(Object)
    /// An object that has changed.
    case modified(Object)
    /// An object that is gone, or has ceased to match the selectors.
    case deleted(Object)
    /// Everything up to this version has been told; `endsInitial` says that these were the objects there are at the start.
    case bookmark(version: String, endsInitial: Bool)
    /// The watch is over for this reason.
    case error(APIStatus)
}

extension WatchEvent: Decodable {
    /// The annotation of the bookmark after the initial objects (KEP-3157).
    static var initialEventsEnd: String { "k8s.io/initial-events-end" }

    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        let type = try container.decode(String.self, forKey: .type)
        switch type {
        case "ADDED": self = .added(try container.decode(Object.self, forKey: .object))
        case "MODIFIED": self = .modified(try container.decode(Object.self, forKey: .object))
        case "DELETED": self = .deleted(try container.decode(Object.self, forKey: .object))
        case "BOOKMARK":
            // The object of a bookmark has the kind, but null in fields that the kind demands.
            let mark = try container.decode(Mark.self, forKey: .object).metadata
            self = .bookmark(
                version: mark.resourceVersion ?? "", endsInitial: mark.annotations?[Self.initialEventsEnd] == "true")
        case "ERROR": self = .error(try container.decode(APIStatus.self, forKey: .object))
        default:
            throw DecodingError.dataCorruptedError(
                forKey: .type, in: container, debugDescription: "there is no kind of event called '\(type)'")
        }
    }

    private enum CodingKeys: CodingKey { case type, object }
}

private struct Mark: Decodable {
    var metadata: ObjectMeta
}

/// Cuts the bytes of a watch into its lines: one event each.
package struct WatchLines: Sendable {
    private let limit: Int
    private var rest: [UInt8] = []

    /// Lines of at most `limit` bytes.
    package init(limit: Int) { self.limit = limit }

    /// More bytes: the lines that they complete. Throws for a line beyond the limit.
    package mutating func take(_ bytes: [UInt8]) throws(APIError) -> [[UInt8]] {
        var lines: [[UInt8]] = []
        var start = bytes.startIndex
        while let end = bytes[start...].firstIndex(of: UInt8(ascii: "\n")) {
            if rest.isEmpty {
                lines.append(Array(bytes[start..<end]))
            } else {
                lines.append(rest + bytes[start..<end])
                rest = []
            }
            start = bytes.index(after: end)
        }
        rest.append(contentsOf: bytes[start...])
        guard rest.count <= limit, lines.allSatisfy({ $0.count <= limit }) else {
            throw APIError(.malformed, "A watch sent an event of more than \(limit) bytes.")
        }
        return lines.filter { !$0.isEmpty }
    }
}

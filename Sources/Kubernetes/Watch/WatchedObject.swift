/// What is kept of an object of the API server that is followed. Most kinds are kept as they are read; of those of which there are thousands,
/// no more than somebody looks at.
package protocol WatchedObject: Decodable, Sendable {
    /// Its kind.
    static var resource: APIResource { get }
    /// What identifies it among those that are followed.
    var key: ObjectKey { get }
    /// Tells it from a later one of the same name.
    var uid: ObjectUID? { get }
    /// The version of it that this is.
    var resourceVersion: String? { get }
}

/// What tells an object from all others that there ever were. The server makes UUIDs (RFC 9562), which take 16 bytes instead of the 80 of
/// their text.
package struct ObjectUID: Hashable, Sendable {
    private enum Value: Hashable, Sendable {
        case uuid(UInt64, UInt64)
        case text(String)
    }

    private let value: Value

    /// The identity with this text; any text is one.
    package init(_ text: String) {
        value = Self.uuid(text).map { .uuid($0.0, $0.1) } ?? .text(text)
    }

    /// The number of a UUID in lower case: of one that is written otherwise, the text counts.
    private static func uuid(_ text: String) -> (UInt64, UInt64)? {
        guard text.utf8.count == 36 else { return nil }
        var (high, low): (UInt64, UInt64) = (0, 0)
        for (index, byte) in text.utf8.enumerated() {
            if [8, 13, 18, 23].contains(index) {
                guard byte == UInt8(ascii: "-") else { return nil }
                continue
            }
            let digit: UInt8
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = byte - UInt8(ascii: "0")
            case UInt8(ascii: "a")...UInt8(ascii: "f"): digit = byte - UInt8(ascii: "a") + 10
            default: return nil
            }
            (high, low) = (high << 4 | low >> 60, low << 4 | UInt64(digit))
        }
        return (high, low)
    }
}

/// The part of an object's metadata that a watch goes by, for those kinds that are kept in a form of their own. Without the namespace:
/// such kinds are watched in one.
package struct WatchedMeta: Decodable, Sendable, Hashable {
    /// Its name.
    package let name: String
    /// Tells it from a later one of the same name.
    package let uid: ObjectUID?
    /// The version of it that this is.
    package let resourceVersion: String?

    /// The metadata of the object `name`.
    package init(name: String, uid: String? = nil, resourceVersion: String? = nil) {
        self.name = name
        self.uid = uid.map { ObjectUID($0) }
        self.resourceVersion = resourceVersion
    }

    /// What is to be kept of `metadata`.
    package init(_ metadata: ObjectMeta) {
        self.init(name: metadata.name ?? "", uid: metadata.uid, resourceVersion: metadata.resourceVersion)
    }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        self.init(
            name: try container.decode(String.self, forKey: .name),
            uid: try container.decodeIfPresent(String.self, forKey: .uid),
            resourceVersion: try container.decodeIfPresent(String.self, forKey: .resourceVersion))
    }

    /// What identifies it in its namespace.
    package var key: ObjectKey { ObjectKey(namespace: "", name: name) }

    private enum CodingKeys: CodingKey { case name, uid, resourceVersion }
}

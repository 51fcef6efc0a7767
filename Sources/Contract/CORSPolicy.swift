/// Which pages of other origins may call a function from a browser and read its answers (WHATWG Fetch, "HTTP CORS protocol"): the query
/// options `cors`, `cors-methods`, `cors-headers`, `cors-expose`, `cors-credentials` and `cors-max-age`.
///
/// Names and origins are kept in one spelling and order, so that what means the same is the same configuration.
package struct CORSPolicy: Hashable, Sendable {
    /// The most origins of one function, without `*`.
    package static let mostOrigins = 32
    /// The most names in each of ``methods``, ``headers`` and ``exposed``.
    package static let mostNames = 64
    /// The longest of these names in bytes.
    package static let longestName = 64
    /// The most bytes of all origins and names together: some of them are in every answer.
    package static let mostBytes = 4096
    /// How long a browser keeps the answer to a preflight unless it is said, in seconds.
    package static let defaultMaxAge = 600
    /// The longest that may be said, in seconds: a day, which is also the most that browsers heed.
    package static let longestMaxAge = 86_400
    /// Stands for every origin, or every field that is exposed.
    package static let any = "*"

    /// The origins as browsers write them, sorted; or ``any`` alone.
    package let origins: [String]
    /// The methods that a page may use; `nil`: whichever it asks for.
    package let methods: [String]?
    /// The fields that a page may send, in lower case; `nil`: whichever it asks for.
    package let headers: [String]?
    /// The fields of answers that a page may read besides the usual ones, in lower case; `nil`: none.
    package let exposed: [String]?
    /// Whether requests have the user's cookies and credentials; never with ``any``.
    package let credentials: Bool
    /// How long a browser keeps the answer to a preflight, in seconds.
    package let maxAgeSeconds: Int

    /// Checks a policy, and brings it into its one spelling. Lists are separated by commas; throws ``InvalidOption`` for what cannot be
    /// used.
    package init(
        origins: [String], methods: String? = nil, headers: String? = nil, exposed: String? = nil,
        credentials: Bool = false, maxAgeSeconds: Int = CORSPolicy.defaultMaxAge
    ) throws(InvalidOption) {
        self.origins = try Self.read(origins: origins)
        self.methods = try methods.map { (text) throws(InvalidOption) in try Self.methods(text) }
        self.headers = try headers.map { (text) throws(InvalidOption) in try Self.fields("cors-headers", text) }
        self.exposed = try exposed.map { (text) throws(InvalidOption) in try Self.exposed(text, credentials) }
        self.credentials = credentials
        self.maxAgeSeconds = maxAgeSeconds
        guard !credentials || !allowsAnyOrigin else {
            throw InvalidOption(
                name: "cors-credentials", value: "true",
                reason: "with cors=* every page could call with the user's cookies; name the origins instead")
        }
        guard (0...Self.longestMaxAge).contains(maxAgeSeconds) else { throw Self.invalidMaxAge("\(maxAgeSeconds)") }
        let lists = [self.origins, self.methods ?? [], self.headers ?? [], self.exposed ?? []]
        let size = lists.joined().reduce(0) { $0 + $1.utf8.count }
        guard size <= Self.mostBytes else {
            throw InvalidOption(
                name: "cors", value: "…",
                reason: "all origins and names together have \(size) bytes, \(Self.mostBytes) are allowed")
        }
    }

    /// Whether every origin may call.
    package var allowsAnyOrigin: Bool { origins == [Self.any] }
}

extension CORSPolicy {
    /// The names of the options.
    package static let optionNames: Set<String> = [
        "cors", "cors-methods", "cors-headers", "cors-expose", "cors-credentials", "cors-max-age",
    ]

    /// Reads the options among `query`, each of which is there once but `cors`; `nil` when none is. Throws ``InvalidOption``.
    package init?(query: [(name: String, value: String)]) throws(InvalidOption) {
        let own = query.filter { Self.optionNames.contains($0.name) }
        guard let first = own.first else { return nil }
        let origins = own.filter { $0.name == "cors" }.map(\.value)
        guard !origins.isEmpty else {
            throw InvalidOption(
                name: first.name, value: first.value, reason: "it goes with cors=ORIGIN, which says who may call")
        }
        func value(_ name: String) -> String? { own.first { $0.name == name }?.value }
        var credentials = false
        if let text = value("cors-credentials") {
            guard ["true", "", "false"].contains(text) else {
                throw InvalidOption(name: "cors-credentials", value: text, reason: "use true or false")
            }
            credentials = text != "false"
        }
        var maxAge = Self.defaultMaxAge
        if let text = value("cors-max-age") {
            guard text.isDecimal, let seconds = Int(text) else { throw Self.invalidMaxAge(text) }
            maxAge = seconds
        }
        try self.init(
            origins: origins, methods: value("cors-methods"), headers: value("cors-headers"),
            exposed: value("cors-expose"), credentials: credentials, maxAgeSeconds: maxAge)
    }

    private static func invalidMaxAge(_ value: String) -> InvalidOption {
        InvalidOption(
            name: "cors-max-age", value: value, reason: "use a whole number of seconds from 0 to \(longestMaxAge)")
    }

    private static func read(origins: [String]) throws(InvalidOption) -> [String] {
        if origins.contains(any) {
            guard origins.count == 1 else {
                throw InvalidOption(name: "cors", value: any, reason: "it is every origin: give it alone")
            }
            return origins
        }
        var read: Set<String> = []
        for text in origins {
            guard read.insert(try CORSOrigin.read(text)).inserted else { throw InvalidOption(repeated: "cors=\(text)") }
        }
        guard read.count <= mostOrigins else {
            throw InvalidOption(
                name: "cors", value: "…", reason: "\(read.count) origins are named, at most \(mostOrigins) are allowed")
        }
        return read.sorted()
    }

    /// Methods are compared with their case, and browsers write all but those nobody uses in upper case.
    private static func methods(_ text: String) throws(InvalidOption) -> [String] {
        try names("cors-methods", text, "use methods in upper case, separated by commas, e.g. GET,POST", isOfMethod)
    }

    private static func exposed(_ text: String, _ credentials: Bool) throws(InvalidOption) -> [String] {
        guard text == any else { return try fields("cors-expose", text) }
        guard !credentials else {
            throw InvalidOption(
                name: "cors-expose", value: text,
                reason: "browsers do not heed it with cors-credentials=true; name the fields")
        }
        return [any]
    }

    private static func fields(_ name: String, _ text: String) throws(InvalidOption) -> [String] {
        try names(name, text.lowercased(), "use names of fields separated by commas, e.g. X-User,X-Trace", isOfField)
    }

    private static func isOfMethod(_ byte: UInt8) -> Bool { (0x41...0x5A).contains(byte) || isJoint(byte) }
    private static func isOfField(_ byte: UInt8) -> Bool {
        (0x61...0x7A).contains(byte) || (0x30...0x39).contains(byte) || isJoint(byte)
    }
    private static func isJoint(_ byte: UInt8) -> Bool { byte == UInt8(ascii: "-") || byte == UInt8(ascii: "_") }
    private static func isName(_ name: some StringProtocol, _ isAllowed: (UInt8) -> Bool) -> Bool {
        (1...longestName).contains(name.utf8.count) && name.utf8.allSatisfy(isAllowed)
    }

    private static func names(
        _ name: String, _ text: String, _ reason: String, _ isAllowed: (UInt8) -> Bool
    ) throws(InvalidOption) -> [String] {
        var names: Set<String> = []
        for item in text.split(separator: ",", omittingEmptySubsequences: false) {
            let item = item.drop { $0 == " " }
            guard isName(item, isAllowed) else {
                throw InvalidOption(name: name, value: text, reason: reason)
            }
            names.insert(String(item))
        }
        guard names.count <= mostNames else {
            throw InvalidOption(name: name, value: text, reason: "at most \(mostNames) are allowed")
        }
        return names.sorted()
    }
}

extension CORSPolicy: Codable {
    private enum CodingKeys: String, CodingKey {
        case origins, methods, headers, credentials, maxAgeSeconds
        case exposed = "expose"
    }

    /// Reads a recorded policy. Whoever writes objects of a cluster may write one that no deploy can have: what cannot be used of it is left
    /// out, so that one function's mistake is nobody else's.
    package init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        let named = try values.decode([String].self, forKey: .origins)
        let read = Set(named.compactMap { try? CORSOrigin.read($0) }).sorted().prefix(Self.mostOrigins)
        origins = named.contains(Self.any) ? [Self.any] : Array(read)
        func list(_ key: CodingKeys, _ isAllowed: (UInt8) -> Bool) throws -> [String]? {
            let names = try values.decodeIfPresent([String].self, forKey: key)
            return names.map { Set($0.filter { Self.isName($0, isAllowed) }).sorted() }
        }
        methods = try list(.methods, Self.isOfMethod)
        headers = try list(.headers, Self.isOfField)
        exposed =
            try values.decodeIfPresent([String].self, forKey: .exposed) == [Self.any]
            ? [Self.any] : try list(.exposed, Self.isOfField)
        credentials = try values.decodeIfPresent(Bool.self, forKey: .credentials) == true && origins != [Self.any]
        let maxAge = try values.decodeIfPresent(Int.self, forKey: .maxAgeSeconds) ?? Self.defaultMaxAge
        maxAgeSeconds = min(max(0, maxAge), Self.longestMaxAge)
    }
}

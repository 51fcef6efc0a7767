import Contract
import NIOCore

/// What a ``CORSPolicy`` puts into the answers of one revision (WHATWG Fetch, "HTTP CORS protocol"): written once per route, so that a
/// response only takes the lines for its origin.
final class CORSFields: Sendable {
    private let policy: CORSPolicy
    private let origins: [(bytes: [UInt8], lines: ByteBuffer)]
    /// For pages of no origin that is named, for what is no page, and with `*` for all.
    private let others: ByteBuffer

    init(_ policy: CORSPolicy) {
        self.policy = policy
        guard !policy.allowsAnyOrigin else {
            origins = []
            others = ByteBuffer(string: Self.lines(policy, CORSPolicy.any))
            return
        }
        // What is kept of an answer to one origin must not be taken for another's: also that to none.
        let vary = "Vary: Origin\r\n"
        origins = policy.origins.map { (Array($0.utf8), ByteBuffer(string: Self.lines(policy, $0) + vary)) }
        others = ByteBuffer(string: vary)
    }

    private static func lines(_ policy: CORSPolicy, _ origin: String) -> String {
        var lines = "Access-Control-Allow-Origin: \(origin)\r\n"
        if policy.credentials { lines += "Access-Control-Allow-Credentials: true\r\n" }
        if let exposed = policy.exposed {
            lines += "Access-Control-Expose-Headers: \(exposed.joined(separator: ", "))\r\n"
        }
        return lines
    }

    /// The field lines of the answer to `request`.
    func lines(for request: borrowing Head) -> ByteBuffer {
        guard let origin = Self.origin(of: request) else { return others }
        return request.withBytes { bytes in lines(for: bytes.part(origin)) ?? others }
    }

    /// Whether pages of the origin that `preflight` comes from may call.
    func allows(_ preflight: Preflight, in request: borrowing Head) -> Bool {
        policy.allowsAnyOrigin || request.withBytes { bytes in lines(for: bytes.part(preflight.origin)) != nil }
    }

    /// The field lines of the answer to `preflight`, which is allowed.
    func lines(for preflight: Preflight, in request: borrowing Head) -> String {
        let origin = policy.allowsAnyOrigin ? CORSPolicy.any : request.text(preflight.origin)
        var lines = "Access-Control-Allow-Origin: \(origin)\r\n"
        if policy.credentials { lines += "Access-Control-Allow-Credentials: true\r\n" }
        if let methods = policy.methods?.joined(separator: ", ") ?? preflight.methodText(request) {
            lines += "Access-Control-Allow-Methods: \(methods)\r\n"
        }
        if let headers = policy.headers?.joined(separator: ", ") ?? preflight.headersText(request) {
            lines += "Access-Control-Allow-Headers: \(headers)\r\n"
        }
        lines += "Access-Control-Max-Age: \(policy.maxAgeSeconds)\r\n"
        let first = policy.allowsAnyOrigin ? "" : "Origin, "
        return lines + "Vary: \(first)Access-Control-Request-Method, Access-Control-Request-Headers\r\n"
    }

    /// The field lines of the refusal of a preflight.
    var refusal: String { policy.allowsAnyOrigin ? "" : "Vary: Origin\r\n" }

    /// Origins are compared byte by byte: browsers have one way to write each.
    private func lines(for origin: UnsafeRawBufferPointer) -> ByteBuffer? {
        for known in origins where known.bytes.count == origin.count && origin.elementsEqual(known.bytes) {
            return known.lines
        }
        return nil
    }

    /// The one Origin of a request.
    static func origin(of request: borrowing Head) -> Range<Int>? {
        var found: Range<Int>?
        for field in request.fields where field.name == .origin {
            guard found == nil else { return nil }
            found = field.value
        }
        return found
    }

    /// Where the names of a function's own fields of CORS are: with a policy it has no say.
    static func names(in response: borrowing Head) -> [Range<Int>] {
        response.withBytes { bytes in
            response.fields.lazy.filter {
                $0.name == .other && bytes.part($0.nameRange).starts(with: "access-control-")
            }
            .map(\.nameRange)
        }
    }
}

/// What a browser asks before a request that only a page's own origin could always make: OPTIONS with the method that is to come.
struct Preflight {
    /// Where the origin of the page is, and what the request is going to have.
    let origin: Range<Int>
    private let method: Range<Int>
    private let headers: Range<Int>?

    /// What `request` asks; `nil` when it is no preflight.
    init?(_ request: borrowing RequestHead) {
        guard request.method == .options, let origin = CORSFields.origin(of: request.head) else { return nil }
        let head = request.head
        let asked: (method: Range<Int>?, headers: Range<Int>?) = head.withBytes { bytes in
            var asked: (method: Range<Int>?, headers: Range<Int>?)
            for field in head.fields where field.name == .other {
                let name = bytes.part(field.nameRange)
                if name.matches("access-control-request-method") { asked.method = field.value }
                if name.matches("access-control-request-headers") { asked.headers = field.value }
            }
            return asked
        }
        guard let method = asked.method else { return nil }
        self.origin = origin
        self.method = method
        headers = asked.headers
    }

    /// The method, if it is one.
    func methodText(_ request: borrowing Head) -> String? {
        request.withBytes { bytes in
            let value = bytes.part(method)
            return !value.isEmpty && value.allSatisfy(ASCII.isToken) ? String(decoding: value, as: UTF8.self) : nil
        }
    }

    /// The names of fields, if they are names.
    func headersText(_ request: borrowing Head) -> String? {
        guard let headers else { return nil }
        return request.withBytes { bytes in
            let value = bytes.part(headers)
            var isList = !value.isEmpty
            value.forEachListElement { element in
                if element.isEmpty || !element.allSatisfy(ASCII.isToken) { isList = false }
            }
            return isList ? String(decoding: value, as: UTF8.self) : nil
        }
    }
}

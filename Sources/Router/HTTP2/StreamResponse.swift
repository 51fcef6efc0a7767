import NIOCore
import NIOHPACK

/// A response as HTTP/2 has it.
enum StreamResponse {
    /// What speaks of a connection, which this one is not like.
    private static let dropped = FieldNames([
        .connection, .keepAlive, .proxyConnection, .transferEncoding, .upgrade, .te, .http2Settings,
    ])

    /// The fields of `response`; `nil` when one has bytes that are no UTF-8, which cannot be written here.
    static func headers(_ response: ResponseHead) -> HPACKHeaders? {
        var headers = HPACKHeaders()
        headers.reserveCapacity(response.head.fields.count + 1)
        headers.add(name: ":status", value: String(response.status))
        return add(response.head, to: &headers) ? headers : nil
    }

    /// Fields after a body; `nil` as above.
    static func trailers(_ head: Head) -> HPACKHeaders? {
        var headers = HPACKHeaders()
        return add(head, to: &headers) ? headers : nil
    }

    private static func add(_ head: Head, to headers: inout HPACKHeaders) -> Bool {
        head.withBytes { bytes in
            for field in head.fields where !dropped.contains(field.name) {
                guard let value = String(validating: bytes.part(field.value), as: UTF8.self) else { return false }
                let name = String(decoding: bytes.part(field.nameRange).lazy.map(ASCII.lower), as: UTF8.self)
                headers.add(name: name, value: value)
            }
            return true
        }
    }
}

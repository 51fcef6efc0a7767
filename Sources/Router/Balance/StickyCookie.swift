import NIOCore

/// The cookie that keeps a client on its revision: a random number, which the revision is drawn by. It says nothing of the revision, so that
/// it is good for every division of the traffic, and nobody can choose one by it more than by trying.
enum StickyCookie {
    /// The value of the cookie `name` in the Cookie fields of `head` (RFC 6265, 4.2), as far as it could be one of the Router's: sixteen
    /// hexadecimal digits.
    static func value(_ name: String, in head: borrowing Head) -> [UInt8]? {
        head.withBytes { bytes in
            for field in head.fields where field.name == .other && bytes.part(field.nameRange).matches("cookie") {
                for pair in bytes.part(field.value).split(separator: UInt8(ascii: ";")) {
                    let pair = pair.drop { ASCII.isBlank($0) }
                    guard pair.count == name.utf8.count + 17, pair.starts(with: name.utf8) else { continue }
                    let rest = pair.dropFirst(name.utf8.count)
                    guard rest.first == UInt8(ascii: "=") else { continue }
                    let value = rest.dropFirst()
                    if value.allSatisfy({ ASCII.hexadecimal($0) != nil }) { return Array(value) }
                }
            }
            return nil
        }
    }

    /// A new value.
    static func make(_ number: UInt64) -> [UInt8] {
        let digits = Array("0123456789abcdef".utf8)
        return (0..<16).map { digits[Int(number >> UInt64(60 - 4 * $0) & 15)] }
    }

    /// The field that sets it, for all paths of the function: those below `prefix`, or all of its host name.
    static func field(_ name: String, _ value: [UInt8], prefix: String, isSecure: Bool) -> ByteBuffer {
        let text = String(decoding: value, as: UTF8.self)
        let attributes = "Path=\(prefix.isEmpty ? "/" : prefix); HttpOnly; SameSite=Lax\(isSecure ? "; Secure" : "")"
        return ByteBuffer(string: "Set-Cookie: \(name)=\(text); \(attributes)\r\n")
    }
}

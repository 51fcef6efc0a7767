/// Percent-encoding (RFC 3986 §2.1).
package enum PercentEncoding {
    /// The text behind `encoded`; throws a 400 for a broken escape or bytes that are not UTF-8.
    package static func decode(_ encoded: Substring) throws(Problem) -> String {
        var bytes: [UInt8] = []
        var iterator = encoded.utf8.makeIterator()
        while let byte = iterator.next() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            guard let high = iterator.next().flatMap(hexadecimal), let low = iterator.next().flatMap(hexadecimal) else {
                throw invalid(encoded)
            }
            bytes.append(high << 4 | low)
        }
        guard let text = String(validating: bytes, as: UTF8.self) else { throw invalid(encoded) }
        return text
    }

    /// `text` with everything but unreserved characters escaped.
    package static func encode(_ text: String) -> String {
        var result = ""
        for byte in text.utf8 {
            switch byte {
            case 48...57, 65...90, 97...122, 45, 46, 95, 126: result.unicodeScalars.append(Unicode.Scalar(byte))
            default:
                let hex = String(byte, radix: 16, uppercase: true)
                result += byte < 16 ? "%0\(hex)" : "%\(hex)"
            }
        }
        return result
    }

    private static func invalid(_ text: Substring) -> Problem {
        Problem(
            "invalid-target", 400, "Invalid request target",
            "'\(text.prefix(80))' is not percent-encoded UTF-8 (RFC 3986 §2.1).")
    }

    private static func hexadecimal(_ byte: UInt8) -> UInt8? {
        switch byte {
        case 48...57: byte - 48
        case 65...70: byte - 55
        case 97...102: byte - 87
        default: nil
        }
    }
}

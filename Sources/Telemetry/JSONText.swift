/// JSON (RFC 8259) for what is written for each request: an encoder would make an object of it first.
package enum JSONText {
    /// Adds `text` as a string (section 7), with its quotes, to `out`.
    package static func write(_ text: String, _ out: inout [UInt8]) {
        out.append(UInt8(ascii: "\""))
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"): out += [UInt8(ascii: "\\"), byte]
            case 0..<0x20, 0x7F:
                let digits = String(byte, radix: 16)
                out += "\\u00\(digits.utf8.count < 2 ? "0" : "")\(digits)".utf8
            default: out.append(byte)
            }
        }
        out.append(UInt8(ascii: "\""))
    }
}

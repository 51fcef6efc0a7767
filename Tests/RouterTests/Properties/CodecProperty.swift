import NIOCore

@testable import Router

/// What must hold for any bytes that arrive. Checked by the fuzzer (`make fuzz`) and, on its seeds and on what it has once found, by
/// `PropertyTests`.
enum CodecProperty: UInt8, CaseIterable {
    case request, response, proxyHeader, target, host, cookie, accessLog, stream, compressed

    /// Checks the property that the first byte of `input` names for the rest.
    static func check(_ input: [UInt8]) throws(Violation) {
        guard let first = input.first,
            let property = CodecProperty(rawValue: first % UInt8(CodecProperty.allCases.count))
        else { return }
        try property.check(Array(input.dropFirst()))
    }

    /// Checks this property for `bytes`, of which the first one chooses among its conditions.
    func check(_ bytes: [UInt8]) throws(Violation) {
        let choice = bytes.first ?? 0
        let rest = Array(bytes.dropFirst())
        switch self {
        case .request: try RequestProperty(choice).check(rest)
        case .response: try ResponseProperty(choice).check(rest)
        case .proxyHeader: try SmallProperty.proxyHeader(rest)
        case .target: try SmallProperty.target(rest)
        case .host: try SmallProperty.host(rest)
        case .cookie: try SmallProperty.cookie(rest)
        case .accessLog: try SmallProperty.accessLog(rest)
        case .stream: try StreamProperty.pairs(rest, choice)
        case .compressed: try StreamProperty.compressed(rest, choice)
        }
    }
}

/// A property that does not hold.
struct Violation: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

/// Throws ``Violation`` unless `condition` holds.
func demand(_ condition: Bool, _ what: @autoclosure () -> String) throws(Violation) {
    if !condition { throw Violation(what()) }
}

/// How bytes are cut before they are handed on: whole, one by one, or in pieces that the bytes themselves choose.
enum Slicing: CaseIterable {
    case whole, single, mixed

    func pieces(_ bytes: [UInt8]) -> [ArraySlice<UInt8>] {
        switch self {
        case .whole: return [bytes[...]]
        case .single: return bytes.indices.map { bytes[$0...$0] }
        case .mixed:
            var pieces: [ArraySlice<UInt8>] = []
            var start = 0
            var state = UInt32(truncatingIfNeeded: bytes.count) &* 2_654_435_761
            while start < bytes.count {
                state = (state ^ UInt32(bytes[start])) &* 16_777_619
                let end = min(bytes.count, start + 1 + Int(state >> 16) % 23)
                pieces.append(bytes[start..<end])
                start = end
            }
            return pieces
        }
    }
}

extension Head {
    /// The fields as pairs of a name in lower case and the bytes of the value.
    var pairs: [FieldPair] {
        withBytes { bytes in
            fields.map { field in
                FieldPair(
                    name: String(decoding: bytes.part(field.nameRange), as: UTF8.self).lowercased(),
                    value: Array(bytes.part(field.value)))
            }
        }
    }
}

/// A field, for comparison.
struct FieldPair: Equatable {
    let name: String
    let value: [UInt8]

    init(name: String, value: [UInt8]) {
        self.name = name
        self.value = value
    }

    /// The fields of a head by another way than the codec's: lines are what is between CRLFs, names what is before the first colon.
    static func read(_ head: [UInt8]) -> [FieldPair] {
        var lines: [[UInt8]] = [[]]
        var index = 0
        while index < head.count {
            if head[index] == 13, index + 1 < head.count, head[index + 1] == 10 {
                lines.append([])
                index += 2
            } else {
                lines[lines.count - 1].append(head[index])
                index += 1
            }
        }
        return lines.dropFirst().filter { !$0.isEmpty }.map { line in
            let colon = line.firstIndex(of: 58) ?? line.endIndex
            var value = line[min(colon + 1, line.endIndex)...]
            while let first = value.first, first == 32 || first == 9 { value.removeFirst() }
            while let last = value.last, last == 32 || last == 9 { value.removeLast() }
            return FieldPair(
                name: String(decoding: line[..<colon], as: UTF8.self).lowercased(), value: Array(value))
        }
    }

    /// The elements of a list, in lower case.
    var elements: [String] {
        value.split(separator: 44).map { String(decoding: $0, as: UTF8.self).lowercased() }
            .map { text in
                String(text.drop { $0 == " " || $0 == "\t" }.reversed().drop { $0 == " " || $0 == "\t" }.reversed())
            }
            .filter { !$0.isEmpty }
    }
}

import Contract
import Kubernetes

/// A moment with exactly six digits after the second, as Leases demand.
package struct MicroTime: Codable, Sendable, Hashable {
    /// The moment, to the millisecond.
    package var moment: Timestamp

    /// The moment as a Lease has it.
    package init(_ moment: Timestamp) { self.moment = moment }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        // Finer than a millisecond is cut off.
        let cut = text.firstIndex(of: ".").map { "\(text[..<$0])\(text[$0...].prefix(4))Z" } ?? text
        guard let moment = Timestamp(cut) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "'\(text)' is not a time")
        }
        self.moment = moment
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode("\(moment.description.dropLast())000Z")
    }
}

import FoundationEssentials

/// JSON in the one form whose bytes are hashed: compact, keys sorted, slashes unescaped.
package enum CanonicalJSON {
    /// `value` in that form.
    package static func encode(_ value: some Encodable) throws(OCIError) -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        do {
            return Array(try encoder.encode(value))
        } catch {
            throw OCIError(.malformed, "A \(type(of: value)) cannot be written as JSON.", cause: error)
        }
    }

    /// A value from JSON in any form; `what` names it in the error.
    package static func decode<Value: Decodable>(
        _ type: Value.Type, from bytes: [UInt8], what: String
    ) throws(OCIError) -> Value {
        do {
            return try JSONDecoder().decode(type, from: Data(bytes))
        } catch {
            throw OCIError(.malformed, "\(what) is not what the specification says.", cause: error)
        }
    }
}

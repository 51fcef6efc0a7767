import FoundationEssentials
import Testing

@testable import Kubernetes

/// A recording of a real API server, in `Tests/Fixtures/kubernetes`.
struct Recording {
    /// An answer with a status of 400 and above.
    struct Failure {
        var status: Int
        var body: APIStatus?
        var text: String
    }

    /// An event of a watch: when, and the line it came in.
    struct Event: Decodable {
        var type: String?
        var object: JSONText?
    }

    private struct Exchange: Decodable {
        struct Response: Decodable {
            var status: Int?
            var body: JSONText?
            var events: [Event]?
        }
        var response: Response
    }

    private let exchanges: [Exchange]

    init(_ name: String) throws {
        let tests = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().path
        let data = try Data(contentsOf: URL(filePath: "\(tests)/Fixtures/kubernetes/\(name).json"))
        exchanges = try JSONDecoder().decode([Exchange].self, from: data)
    }

    func failure(_ number: Int) throws -> Failure? {
        let response = exchanges[number].response
        guard let status = response.status, status >= 400 else { return nil }
        let text = response.body?.text ?? ""
        return Failure(
            status: status, body: try? JSONDecoder().decode(APIStatus.self, from: Data(text.utf8)), text: text)
    }

    /// The lines of a watch, as they came.
    func lines(_ number: Int) throws -> [String] {
        let events = try #require(exchanges[number].response.events)
        return events.compactMap { event in
            guard let type = event.type, let object = event.object else { return nil }
            return "{\"type\":\"\(type)\",\"object\":\(object.text)}\n"
        }
    }
}

/// Any JSON value, as text.
struct JSONText: Decodable {
    let text: String

    init(from decoder: any Decoder) throws {
        if let keyed = try? decoder.container(keyedBy: Key.self) {
            let members = try keyed.allKeys.map {
                "\(Self.quoted($0.stringValue)):\(try keyed.decode(JSONText.self, forKey: $0).text)"
            }
            text = "{\(members.joined(separator: ","))}"
        } else if var list = try? decoder.unkeyedContainer() {
            var items: [String] = []
            while !list.isAtEnd { items.append(try list.decode(JSONText.self).text) }
            text = "[\(items.joined(separator: ","))]"
        } else {
            let single = try decoder.singleValueContainer()
            if single.decodeNil() {
                text = "null"
            } else if let value = try? single.decode(Bool.self) {
                text = value ? "true" : "false"
            } else if let value = try? single.decode(Int64.self) {
                text = String(value)
            } else if let value = try? single.decode(Double.self) {
                text = String(value)
            } else {
                text = Self.quoted(try single.decode(String.self))
            }
        }
    }

    private static func quoted(_ text: String) -> String {
        (try? JSONEncoder().encode(text)).map { String(decoding: $0, as: UTF8.self) } ?? "\"\""
    }

    private struct Key: CodingKey {
        let stringValue: String
        var intValue: Int? { nil }
        init?(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }
}

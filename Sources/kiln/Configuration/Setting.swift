import ArgumentParser
import Contract
import FoundationEssentials

/// Reads settings that no flag gives: from the environment (`KILN_<NAME>`), else from the file that `KILN_CONFIG` names, else the
/// default. This is the one place where the environment is read.
///
/// The file has lines `name = value`, names as the flags without dashes at the front (`listen = 127.0.0.1:8080`); `#` starts a comment.
enum Setting {
    private static let file: [String: String] = load()

    /// A variable of the environment that is not Kiln's own, e.g. `NO_COLOR`.
    static func variable(_ name: String) -> String? { ProcessInfo.processInfo.environment[name] }

    /// The text set for `name`, e.g. `STATE_DIR`.
    static func text(_ name: String) -> String? {
        ProcessInfo.processInfo.environment["KILN_" + name] ?? file[name]
    }

    /// The value of a flag, else what is set for `name`, else `fallback`; throws when what is set cannot be read.
    static func resolve<Value: ExpressibleByArgument>(_ flag: Value?, _ name: String, _ fallback: Value) throws -> Value
    {
        if let flag { return flag }
        guard let text = text(name) else { return fallback }
        guard let value = Value(argument: text) else {
            throw ValidationError(
                "KILN_\(name) cannot be '\(text)'\(Value.allValueStrings.isEmpty ? "" : ": use \(Value.allValueStrings.joined(separator: " or "))")."
            )
        }
        return value
    }

    /// The number of a flag such as `--max-headers`, else what is set for it; `nil` when neither is. Throws a sentence when it is not in
    /// `range`.
    static func number(_ flag: Int?, _ option: String, in range: ClosedRange<Int>, unit: String = "") throws -> Int? {
        let name = name(of: option.dropFirst(2))
        guard let number = try flag ?? (text(name) == nil ? nil : resolve(nil, name, 0)) else { return nil }
        guard range.contains(number) else {
            throw StartError("\(option) cannot be \(number): use \(range.lowerBound) to \(range.upperBound)\(unit).")
        }
        return number
    }

    /// The bytes of a flag such as `--max-tmp`, written as `65536`, `64Ki`, `10Mi` or `1Gi`, else what is set for it; `nil` when neither
    /// is. Throws a sentence when it is no such number, or not in `range`.
    static func bytes(_ flag: String?, _ option: String, in range: ClosedRange<Int64>) throws -> Int64? {
        guard let text = flag ?? optional(name(of: option.dropFirst(2))) else { return nil }
        guard let bytes = Quantity.bytes(text), range.contains(bytes) else {
            let (least, most) = (Quantity.text(bytes: range.lowerBound), Quantity.text(bytes: range.upperBound))
            let bounds = range.upperBound == .max ? "\(least) or more" : "\(least) to \(most)"
            throw StartError("\(option) cannot be '\(text)': use a number of bytes, \(bounds).")
        }
        return bytes
    }

    /// The part from 0 to 1 of a flag such as `--trace-sample`, else what is set for it, else 1. Throws a sentence for anything else.
    static func fraction(_ flag: Double?, _ option: String) throws -> Double {
        guard let text = flag.map({ "\($0)" }) ?? optional(name(of: option.dropFirst(2))) else { return 1 }
        guard let fraction = Double(text), (0...1).contains(fraction) else {
            throw StartError("\(option) cannot be '\(text)': use a number from 0 to 1, e.g. 0.1.")
        }
        return fraction
    }

    /// The environment's name, without `KILN_`, of what a flag or the file calls `text`.
    private static func name(of text: some StringProtocol) -> String { text.uppercased().replacing("-", with: "_") }

    /// The optional value set for `name`.
    static func optional(_ name: String) -> String? { text(name).flatMap { $0.isEmpty ? nil : $0 } }

    /// The values of a flag that may be repeated, else what is set for `name`, separated by commas.
    static func list(_ flag: [String], _ name: String) -> [String] {
        flag.isEmpty ? (optional(name) ?? "").split(separator: ",").map { $0.trimmed } : flag
    }

    private static func load() -> [String: String] {
        guard let path = ProcessInfo.processInfo.environment["KILN_CONFIG"],
            let data = FileManager.default.contents(atPath: path)
        else { return [:] }
        return parse(String(decoding: data, as: UTF8.self))
    }

    /// The settings in the text of a file, by environment name.
    static func parse(_ text: String) -> [String: String] {
        var values: [String: String] = [:]
        for line in text.split(whereSeparator: \.isNewline) where !line.hasPrefix("#") {
            let halves = line.split(separator: "=", maxSplits: 1).map { $0.trimmed }
            guard halves.count == 2 else { continue }
            values[name(of: halves[0])] = halves[1]
        }
        return values
    }
}

extension Substring {
    fileprivate var trimmed: String {
        String(drop { $0.isWhitespace }.reversed().drop { $0.isWhitespace }.reversed())
    }
}

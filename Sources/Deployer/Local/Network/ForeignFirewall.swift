/// Other firewalls of the machine, which judge instances' packets after Kiln's has let them pass.
enum ForeignFirewall {
    /// The chains that drop forwarded packets unless one of their own rules accepts them, in the text of `nft list chains`; Docker's
    /// and ufw's are like that.
    static func droppingForwards(_ listing: String) -> [String] {
        var found: [String] = []
        var table = ""
        var chain = ""
        for line in listing.split(separator: "\n") {
            let words = line.split(whereSeparator: { $0 == " " || $0 == "\t" })
            switch words.first {
            case "table": table = words.dropFirst().prefix(2).joined(separator: " ")
            case "chain": chain = words.count > 1 ? String(words[1]) : ""
            case "type" where words.contains("forward") && line.contains("policy drop"):
                if !table.hasPrefix("inet kiln_") { found.append("\(chain) of table \(table)") }
            default: break
            }
        }
        return found
    }
}

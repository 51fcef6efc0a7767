/// A deploy option that cannot be used.
package struct InvalidOption: Error, Equatable, CustomStringConvertible {
    /// The option's name, e.g. `memory`.
    package let name: String
    /// What is wrong and what would be right, in a sentence.
    package let description: String

    /// An option, its rejected value and what would be right, as the end of a sentence.
    package init(name: String, value: String, reason: String) {
        self.name = name
        description = "Option '\(name)' cannot be '\(value.prefix(200))': \(reason)."
    }

    /// An option that may be given once and is given again.
    package init(repeated name: String) {
        self.name = name
        description = "Option '\(name)' is given twice."
    }

    /// A name that is none of `known`.
    package init(unknown name: String, known: Set<String>) {
        self.name = name
        let hint = Self.nearest(name, in: known).map { " Did you mean '\($0)'?" } ?? ""
        description =
            "There is no option '\(name.prefix(80))'.\(hint) Known are \(known.sorted().joined(separator: ", "))."
    }

    /// The name of `known` that `name` was probably meant to be; `nil` when none is near.
    package static func nearest(_ name: String, in known: Set<String>) -> String? {
        known.sorted().filter { distance(name, $0) <= 2 }.min { distance(name, $0) < distance(name, $1) }
    }

    /// How many letters have to be put in, left out or replaced to make one text of the other (Levenshtein); at most 99 letters of
    /// each are looked at.
    private static func distance(_ left: String, _ right: String) -> Int {
        let (left, right) = (Array(left.utf8.prefix(99)), Array(right.utf8.prefix(99)))
        var row = Array(0...right.count)
        for (index, letter) in left.enumerated() {
            var next = [index + 1]
            for (column, other) in right.enumerated() {
                next.append(min(row[column + 1] + 1, next[column] + 1, row[column] + (letter == other ? 0 : 1)))
            }
            row = next
        }
        return row[right.count]
    }
}

import Synchronization

/// Where lists of functions can be gone on with: the API has no way to begin in the middle, but each page of it leads to the next.
final class ListMarks: Sendable {
    /// A place in a list.
    struct Mark: Sendable {
        /// The last name before it.
        var name: String
        /// By which the API goes on from there.
        var token: String
        fileprivate var made: ContinuousClock.Instant
    }

    /// How long a mark is used. What it leads to is as it was then: somebody who turns pages sees one state, nobody an old one.
    private static let validity = Duration.seconds(60)
    private static let most = 256

    private let marks = Mutex<[Mark]>([])

    /// The mark nearest to `name`, at it or before.
    func nearest(to name: String, at now: ContinuousClock.Instant = .now) -> Mark? {
        marks.withLock { marks in
            marks.removeAll { now - $0.made > Self.validity }
            return marks.filter { $0.name <= name }.max { $0.name < $1.name }
        }
    }

    /// After `name` the list goes on by `token`.
    func note(_ name: String, _ token: String, at now: ContinuousClock.Instant = .now) {
        marks.withLock { marks in
            marks.removeAll { $0.name == name || now - $0.made > Self.validity }
            if marks.count == Self.most { marks.removeFirst() }
            marks.append(Mark(name: name, token: token, made: now))
        }
    }

    /// The server knows none of them any more.
    func forget() { marks.withLock { $0 = [] } }
}

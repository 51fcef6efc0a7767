/// How a table is kept in line with the objects of a server: read all, then watch, and begin anew when the thread is lost.
///
/// A value without I/O and clock. ``next(fraction:)`` says what to do, and what came of it is told by the other calls, which return
/// the changes of the table.
struct Reflection<Object: WatchedObject>: Sendable {
    /// What to do next.
    enum Step: Hashable, Sendable {
        /// Wait, then ask again what to do.
        case pause(Duration)
        /// Begin a watch that first tells all objects there are (KEP-3157).
        case watchAll
        /// Read all objects.
        case list
        /// Begin a watch of what changes after `version`.
        case watch(version: String)
    }

    /// A watch that lasts no longer than this and tells nothing counts as a failure, so that it is not begun again at once.
    static var shortest: Duration { .seconds(1) }
    /// A watch that tells nothing for this long, not even a bookmark (there is one a minute), may wait for a version that will
    /// never come, as after a restored backup: then all objects are read anew.
    static var longestSilence: Duration { .seconds(140) }
    private static var firstPause: Duration { .milliseconds(500) }
    private static var longestPause: Duration { .seconds(30) }

    private enum Phase {
        case lost
        case collecting
        case listing
        case following(version: String)
    }

    /// The objects.
    private(set) var table = ObjectTable<Object>()
    private var phase = Phase.lost
    /// What has been told of all objects so far. Not in the phase, of which each change would make a copy.
    private var collected: [ObjectKey: Object] = [:]
    private var knowsWatchAll = true
    private var prefersList = false
    private var failures = 0
    private var owesPause = false
    private var heard = false

    /// Where the watch goes on, when one can.
    var version: String? { if case .following(let version) = phase { version } else { nil } }

    /// What to do now; `fraction`, a random number from 0 to 1, spreads pauses.
    mutating func next(fraction: Double) -> Step {
        if owesPause {
            owesPause = false
            let full = min(Self.longestPause, Self.firstPause * (1 << min(failures - 1, 10)))
            return .pause(full * (0.5 + fraction / 2))
        }
        heard = false
        switch phase {
        case .following(let version): return .watch(version: version)
        case .lost, .collecting, .listing:
            guard knowsWatchAll, !prefersList else {
                phase = .listing
                return .list
            }
            phase = .collecting
            collected = [:]
            return .watchAll
        }
    }

    /// All objects were read.
    mutating func listed(_ list: ObjectList<Object>) -> [TableChange<Object>] {
        failures = 0
        prefersList = false
        collected = [:]
        phase = list.resourceVersion.isEmpty ? .lost : .following(version: list.resourceVersion)
        return table.replace(with: list.items) + [.synced]
    }

    /// What was begun could not be, or broke with an error.
    mutating func failed(_ error: APIError) {
        switch (phase, error.code) {
        case (_, .expired): phase = .lost
        case (.collecting, .invalid):
            // Servers before 1.32 know the option only as forbidden.
            knowsWatchAll = false
            phase = .lost
            return
        case (.following, .malformed): phase = .lost
        default: break
        }
        fail()
    }

    /// The watch told something.
    mutating func received(_ event: WatchEvent<Object>) -> [TableChange<Object>] {
        if case .error(let status) = event {
            if status.code == 410 || status.reason == "Expired" {
                phase = .lost
                // Not a failure of the server's, unless it goes on like this.
                if !heard { fail() }
            } else {
                fail()
            }
            return []
        }
        heard = true
        failures = 0
        switch phase {
        case .collecting: return collect(event)
        case .following: return followed(event)
        case .lost, .listing: return []
        }
    }

    /// The watch ended, after `duration`, without an error event.
    mutating func ended(after duration: Duration) {
        switch phase {
        case .collecting:
            // The mark after the initial objects never came: a server that passes over the option, or had no time.
            prefersList = true
            phase = .lost
        case .following:
            if !heard, duration >= Self.longestSilence { phase = .lost }
        case .lost, .listing: break
        }
        if !heard, duration < Self.shortest, !owesPause { fail() }
    }

    private mutating func collect(_ event: WatchEvent<Object>) -> [TableChange<Object>] {
        switch event {
        case .added(let object), .modified(let object): collected[object.key] = object
        case .deleted(let object): collected[object.key] = nil
        case .bookmark(let version, true):
            phase = .following(version: version)
            defer { collected = [:] }
            return table.replace(with: collected.values) + [.synced]
        case .bookmark, .error: break
        }
        return []
    }

    private mutating func followed(_ event: WatchEvent<Object>) -> [TableChange<Object>] {
        switch event {
        case .added(let object), .modified(let object):
            reached(object.resourceVersion)
            return table.put(object)
        case .deleted(let object):
            reached(object.resourceVersion)
            return table.remove(object)
        case .bookmark(let version, _): reached(version)
        case .error: break
        }
        return []
    }

    private mutating func reached(_ version: String?) {
        if let version, !version.isEmpty { phase = .following(version: version) }
    }

    private mutating func fail() {
        failures += 1
        owesPause = true
    }
}

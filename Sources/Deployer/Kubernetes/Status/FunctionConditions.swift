import Contract

/// What the conditions of a function say. A value without I/O: it is told what happens, and gives the conditions that follow.
///
/// - `Ready`: whether requests are answered, a parked function's included.
/// - `Progressing`: whether a roll-out is under way.
/// - `Degraded`: whether the last roll-out failed, and why; what served before goes on meanwhile.
struct FunctionConditions: Sendable, Hashable {
    /// By type: those that something is known of.
    private(set) var known: [String: Condition] = [:]
    /// Which share of the requests each revision gets, e.g. `r3=100%`; `nil` as long as none has been live.
    private(set) var traffic: String?

    /// How a roll-out fares.
    mutating func note(_ revision: RevisionID, _ progress: RolloutProgress) {
        let name = "r\(revision.number)"
        // What serves is told before its roll-outs are.
        if known["Ready"] == nil { note(nil, isParked: false) }
        switch progress {
        case .began: set("Progressing", true, "RollingOut", "Revision \(name) is being rolled out.")
        case .live(let cause):
            set("Progressing", false, "Complete", "Revision \(name) is live, by a \(cause.words).")
            // Why it stepped back stays told until the next change.
            if cause == .stepBack { return }
            set("Degraded", false, "AsWanted", "The last roll-out succeeded.")
        case .failed(let failure):
            set("Progressing", false, "Failed", "Revision \(name) did not come up.")
            set("Degraded", true, Self.reason(failure.code), "Revision \(name): \(failure.message)")
        case .steppedBack(let sentence): set("Degraded", true, "SteppedBack", sentence)
        case .superseded:
            set("Progressing", false, "Superseded", "A later deploy went live before revision \(name).")
        }
    }

    /// What serves.
    mutating func note(_ target: RouteTarget?, isParked: Bool, split: TrafficSplit? = nil) {
        traffic = target.map { split?.description ?? "r\($0.revision)=100%" }
        guard let target else { return set("Ready", false, "NeverLive", "No revision has been live yet.") }
        let name = "r\(target.revision)"
        switch (target.endpoints.isEmpty, target.notice) {
        // Without their number: it changes with the load, and each change would be a write.
        case (false, _): set("Ready", true, "Serving", "Revision \(name) serves.")
        case (true, .failed(let sentence)): set("Ready", false, "StartFailed", "Revision \(name): \(sentence)")
        case (true, .waiting(let sentence)): set("Ready", false, "Waiting", "Revision \(name): \(sentence)")
        case (true, nil) where isParked:
            set("Ready", true, "Parked", "Revision \(name) is parked: the next request starts it.")
        case (true, nil): set("Ready", false, "Starting", "No Pod of revision \(name) is ready.")
        }
    }

    private mutating func set(_ type: String, _ holds: Bool, _ reason: String, _ message: String) {
        // The schema takes 32 KiB.
        known[type] = Condition(
            type: type, status: holds ? "True" : "False", reason: reason, message: String(message.prefix(8_000)))
    }

    /// `old` with what is known: a time moves when its condition changes sides.
    func merged(into old: [Condition], at now: Timestamp, generation: Int64?) -> [Condition] {
        let untouched = old.filter { known[$0.type] == nil }
        let own = known.values.map { new in
            var new = new
            let before = old.first { $0.type == new.type }
            new.lastTransitionTime = before?.status == new.status ? before?.lastTransitionTime ?? now : now
            // Nothing else has changed: then nothing is to be written.
            let isSame = before?.status == new.status && before?.reason == new.reason && before?.message == new.message
            new.observedGeneration = isSame ? before?.observedGeneration : generation
            return new
        }
        return (untouched + own).sorted { $0.type < $1.type }
    }

    private static func reason(_ code: RolloutFailure.Code) -> String {
        switch code {
        case .crashed: "Crashed"
        case .timedOut: "TimedOut"
        case .outOfMemory: "OutOfMemory"
        case .secretMissing: "SecretMissing"
        case .secretTooLarge: "SecretTooLarge"
        case .noRoom: "NoRoom"
        case .image: "ImageFailed"
        case .platform: "PlatformFailed"
        case .retired: "Retired"
        case .unsigned: "ImageUnsigned"
        case .signedByAnother: "ImageSignedByAnother"
        case .signatureMismatch: "ImageSignatureMismatch"
        }
    }
}

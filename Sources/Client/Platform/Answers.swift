import Contract

/// A function as `GET /func` and `GET /func/NAME` tell of it. What this build does not know stays in the document.
package struct FunctionAnswer: Sendable, Decodable {
    /// How the last deploy fares, when it is not the one that is live.
    package struct Latest: Sendable, Decodable {
        /// Its number.
        package let revision: Int
        /// `pending`, `ready`, `failed` or `superseded`.
        package let state: String
        /// Why it failed.
        package let failure: String?
    }

    /// The name.
    package let name: String
    /// The live revision.
    package let revision: Int?
    /// The live revision's image.
    package let image: String?
    /// When it was first deployed.
    package let created: Timestamp?
    /// When the live revision was.
    package let deployed: Timestamp?
    /// Instances that accept requests.
    package let ready: Int?
    /// Instances there should be.
    package let desired: Int?
    /// How often an instance was started again.
    package let restarts: Int?
    /// Why the last one ended.
    package let lastFailure: String?
    /// Why there are fewer than the load asks for.
    package let limited: String?
    /// Limits that instances have met, a sentence each.
    package let warnings: [String]?
    /// Where to call it, perhaps only the path.
    package let url: String?
    /// The digest of the base image that the live revision stands on.
    package let base: String?
    /// Whether new deploys get another base image.
    package let outdated: Bool?
    /// Pinned revisions.
    package let pinned: [Int]?
    /// The revisions that share the traffic; `nil` while the live one has all.
    package let traffic: [TrafficAnswer]?
    /// What keeps a client on its revision.
    package let sticky: String?
    /// When all of it goes back to the live revision.
    package let stepBack: StepBack?
    /// That it did, as the last change.
    package let steppedBack: SteppedBackAnswer?
    /// The last deploy.
    package let latest: Latest?
}

/// That the traffic of a function went back to the live revision.
package struct SteppedBackAnswer: Sendable, Decodable {
    /// When.
    package let at: Timestamp
    /// Why.
    package let reason: String
}

/// A revision that shares a function's traffic.
package struct TrafficAnswer: Sendable, Decodable {
    /// Its number.
    package let revision: Int
    /// Of 100 requests so many are for it.
    package let percent: Int
    /// Instances that accept requests.
    package let ready: Int?
    /// Instances there should be.
    package let desired: Int?
    /// Whether it has no instance until the next request.
    package let parked: Bool?
}

/// A revision as `GET /func/NAME/revisions` tells of it.
package struct RevisionAnswer: Sendable, Decodable {
    /// Its number.
    package let revision: Int
    /// Its image.
    package let image: String?
    /// When it was recorded.
    package let created: Timestamp?
    /// `pending`, `ready`, `failed` or `superseded`.
    package let state: String?
    /// Why it failed.
    package let failure: String?
    /// Whether it is live.
    package let live: Bool?
    /// Whether it answers under its number.
    package let pinned: Bool?
    /// Its share of divided traffic.
    package let percent: Int?
}

/// A base image as `GET /base` tells of it.
package struct BaseAnswer: Sendable, Decodable {
    /// Its digest.
    package let digest: String
    /// The version of Deno in it.
    package let deno: String?
    /// What it runs on.
    package let platform: String?
    /// When it was first the one for new deploys.
    package let since: Timestamp?
    /// Whether it is that now.
    package let current: Bool?
    /// Functions whose live revision stands on it.
    package let functions: Int?
    /// Revisions that stand on it.
    package let revisions: Int?
    /// In the answer to an update: whether it was the one for new deploys before.
    package let unchanged: Bool?
}

/// What was live when.
package struct HistoryAnswer: Sendable, Decodable {
    /// The revision.
    package let revision: Int
    /// Since when.
    package let at: Timestamp
    /// `deploy`, `rollback`, `rebake`, `traffic` or `step-back`.
    package let cause: String
    /// The shares of those that were live with it.
    package let traffic: [TrafficAnswer]?
    /// Why, when it was the platform's decision.
    package let reason: String?
}

/// The answer to a deploy or a rollback; a dry run has no revision.
package struct DeployedAnswer: Sendable, Decodable {
    /// The function.
    package let name: String
    /// The revision.
    package let revision: Int?
    /// The image's digest.
    package let digest: String?
    /// Whether nothing was made.
    package let unchanged: Bool?
    /// Whether a later deploy went live first.
    package let superseded: Bool?
    /// Whether it answers now.
    package let serving: Bool?
    /// Where.
    package let url: String?
    /// How a dry run would start it.
    package let handler: String?
    /// Milliseconds by phase.
    package let timings: [String: Double]?
    /// The revisions that share the traffic now; `nil` when one has all.
    package let traffic: [TrafficAnswer]?
}

extension JSONValue {
    /// The document as `type`; throws when it has another shape.
    package func answer<Value: Decodable>(_ type: Value.Type) throws(ClientError) -> Value {
        guard let value = decode(type) else {
            throw ClientError(
                .failed, "The platform's answer cannot be read: it may be of another version than this client.")
        }
        return value
    }
}

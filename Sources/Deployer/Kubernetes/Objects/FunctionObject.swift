import Contract
import Kubernetes

/// A function (`functions.kiln.dev`): what is to run, and what does.
package struct FunctionObject: KubernetesObject, Hashable {
    package static let resource = APIResource(
        group: "kiln.dev", version: "v1alpha1", plural: "functions", kind: "Function")

    /// What is wanted: `kubectl apply` and a deploy write the same fields.
    package struct Spec: Codable, Sendable, Hashable {
        /// The image, by digest.
        package var image: String
        /// How it runs.
        package var configuration: FunctionSpec
    }

    /// How it does.
    package struct Status: Codable, Sendable, Hashable {
        /// The generation that this status is about.
        package var observedGeneration: Int64?
        /// The revision that serves.
        package var live: Int?
        /// How the traffic is divided, the live revision being one of several.
        package var split: TrafficSplit?
        /// The ticket of what made it live.
        package var liveTicket: Int?
        /// Where it is called.
        package var url: String?
        /// Which share of the requests each revision gets, e.g. `r3=100%`.
        package var traffic: String?
        /// What has been live, oldest first.
        package var history: [HistoryEntry]?
        /// The highest number among the revisions that garbage collection removed.
        package var collected: Int?
        /// `Ready`, `Progressing`, `Degraded`.
        package var conditions: [Condition]?
    }

    package var metadata: ObjectMeta
    /// What is wanted.
    package var spec: Spec?
    /// How it does.
    package var status: Status?
}

/// One immutable version of a function (`functionrevisions.kiln.dev`), called `FUNCTION-rNUMBER`.
package struct FunctionRevisionObject: KubernetesObject, Hashable {
    package static let resource = APIResource(
        group: "kiln.dev", version: "v1alpha1", plural: "functionrevisions", kind: "FunctionRevision")

    /// What never changes.
    package struct Spec: Codable, Sendable, Hashable {
        /// The function.
        package var function: FunctionName
        /// Its number.
        package var number: Int
        /// The image, by digest.
        package var image: String
        /// How it runs.
        package var configuration: FunctionSpec
        /// When it was recorded.
        package var created: Timestamp
        /// The ticket of its deploy.
        package var ticket: Int
        /// Of 100 requests so many are for it once it is ready; absent for all.
        package var share: Int?
        /// What keeps a client on its revision then; absent: what does so far.
        package var sticky: Stickiness?
        /// When it has failed; absent: as it is for those that share the traffic so far.
        package var stepBack: StepBack?
    }

    /// What does.
    package struct Status: Codable, Sendable, Hashable {
        /// How it fares.
        package var state: RevisionState?
        /// Why it did not come up.
        package var failure: String?
        /// How often its roll-out was begun.
        package var attempts: Int?
        /// Whether it answers under its number.
        package var pinned: Bool?
        /// Whether the registry has its tag.
        package var tagged: Bool?
    }

    package var metadata: ObjectMeta
    /// What never changes.
    package var spec: Spec?
    /// What does.
    package var status: Status?
}

extension KubernetesObject {
    /// A reference to this object as the owner and manager of others; only for an object that was read, because it needs its uid.
    package var reference: OwnerReference {
        OwnerReference(
            apiVersion: Self.resource.apiVersion, kind: Self.resource.kind, name: key.name, uid: metadata.uid ?? "",
            isController: true)
    }
}

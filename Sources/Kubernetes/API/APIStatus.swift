/// What the API server answers instead of an object: mostly why it did not do what it was asked (`v1` `Status`).
package struct APIStatus: Codable, Sendable, Hashable {
    /// One fault of several.
    package struct Cause: Codable, Sendable, Hashable {
        /// The kind of fault, e.g. `FieldValueInvalid` or `FieldManagerConflict`.
        package var reason: String?
        /// What is wrong.
        package var message: String?
        /// The field that is wrong.
        package var field: String?
    }

    /// What the answer is about.
    package struct Details: Codable, Sendable, Hashable {
        /// The object's name.
        package var name: String?
        /// Its group.
        package var group: String?
        /// Its kind, or the plural of it.
        package var kind: String?
        /// Its uid.
        package var uid: String?
        /// The faults.
        package var causes: [Cause]?
        /// When to ask again.
        package var retryAfterSeconds: Int?
    }

    /// The metadata of the answer.
    package struct Metadata: Codable, Sendable, Hashable {
        /// Where a list whose snapshot is gone can be gone on with.
        package var `continue`: String?
    }

    /// `Success` or `Failure`.
    package var status: String?
    /// A sentence for people; never to be judged by.
    package var message: String?
    /// One word for programs, e.g. `NotFound`; not always there.
    package var reason: String?
    /// What it is about.
    package var details: Details?
    /// The HTTP status code.
    package var code: Int?
    /// Its metadata.
    package var metadata: Metadata?

    /// The faults, none if there are none.
    package var causes: [Cause] { details?.causes ?? [] }
}

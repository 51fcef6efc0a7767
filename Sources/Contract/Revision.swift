/// One immutable version of a function: an image and the configuration it runs with.
package struct Revision: Hashable, Sendable, Codable {
    /// The function it belongs to.
    package let function: FunctionName
    /// 1, 2, 3 …; never used twice for one name, also after delete and re-create.
    package let number: Int
    /// The image, by digest.
    package let image: PinnedImage
    /// The frozen configuration.
    package let spec: FunctionSpec
    /// When it was recorded.
    package let created: Timestamp

    /// A revision of `function`.
    package init(function: FunctionName, number: Int, image: PinnedImage, spec: FunctionSpec, created: Timestamp) {
        self.function = function
        self.number = number
        self.image = image
        self.spec = spec
        self.created = created
    }

    /// What identifies its workload.
    package var id: RevisionID { RevisionID(function: function, number: number) }
}

/// The name of a revision, written `hello@3`.
package struct RevisionID: Hashable, Sendable, Codable, CustomStringConvertible {
    /// The function.
    package let function: FunctionName
    /// The revision's number.
    package let number: Int

    /// Revision `number` of `function`.
    package init(function: FunctionName, number: Int) {
        self.function = function
        self.number = number
    }

    package var description: String { "\(function)@\(number)" }
}

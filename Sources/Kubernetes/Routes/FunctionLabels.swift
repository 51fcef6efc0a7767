import Contract

/// How the objects of functions are told from all others, and to which revision they belong.
package enum FunctionLabels {
    /// A label selector of all objects of functions; EndpointSlices carry the labels of their Service.
    package static let selector = "app.kubernetes.io/managed-by=kiln,app.kubernetes.io/component=function"
    /// The label with the function's name.
    package static let function = "kiln.dev/function"
    /// The label with the revision's number.
    package static let revision = "kiln.dev/revision"
    /// The labels that say of which revision an object is.
    package static let identity = [function, revision]
    /// The name of the port on which functions take requests.
    package static let port = "http"
}

extension RevisionID {
    /// The revision that an object with these labels belongs to.
    package init?(labels: [String: String]?) {
        guard let name = labels?[FunctionLabels.function], let function = try? FunctionName(name),
            let text = labels?[FunctionLabels.revision], let number = Int(text), number > 0
        else { return nil }
        self.init(function: function, number: number)
    }
}

import Contract

/// What `POST /func/NAME/rebake` asks for.
package struct RebakeRequest: Sendable, Hashable {
    /// The function.
    package let name: FunctionName
    /// How far it goes, as for a deploy.
    package let mode: BuildRequest.Mode
    /// Whether types are checked.
    package let typeChecking: BuildPlan.TypeChecking

    /// Parses decoded query items; throws a 400 ``Contract/Problem`` as for a deploy.
    package init(name: String, query: [(name: String, value: String)]) throws(Problem) {
        let known: Set<String> = ["check", "dry-run", "wait"]
        for (option, _) in query where !known.contains(option) {
            throw Problem(
                "invalid-option", 400, "Invalid option", InvalidOption(unknown: option, known: known).description)
        }
        // A function's configuration is that of the revision: of a deploy's options only these are left.
        let deploy = try BuildRequest(query: [("name", name)] + query, limits: SpecLimits())
        self.name = deploy.name
        mode = deploy.mode
        typeChecking = deploy.typeChecking
    }
}

import FoundationEssentials

/// What an evaluator of CEL says of the rules of CustomResourceDefinitions.
package struct KubernetesRules: Decodable, Sendable {
    /// A rule of a definition.
    package struct Rule: Decodable, Sendable, Hashable {
        /// The name of the definition.
        package var definition: String
        /// For which field it is, e.g. `spec.configuration`; empty for the whole object.
        package var path: String
        /// Its text.
        package var rule: String
        /// What is said when it is broken.
        package var message: String
        /// Whether it compares with the state before.
        package var isTransition: Bool
    }

    /// All rules of the files.
    package var rules: [Rule]
    /// Defaults that break a rule.
    package var broken: [String]
    /// For each row what its rule says at each place that it is for: `holds`, `broken`, or an error.
    package var verdicts: [[String]]
}

/// Judges rows, a JSON array of `{"definition", "rule", "object", "old"}`, by the rules of these files of the repository. The evaluator
/// is not the one that the API server in memory uses.
package func kubernetesRules(of files: [String], rows: String) async throws -> KubernetesRules {
    let script = repository + "/Tests/Support/KubernetesServer/rules.py"
    let result = try await command(
        "python3", ["-B", script, try kubernetesPackages()] + files.map { "\(repository)/\($0)" },
        input: Array(rows.utf8))
    guard result.succeeded else { throw FixtureFailure("The rules could not be judged: \(result.errors)") }
    return try JSONDecoder().decode(KubernetesRules.self, from: Data(result.output.utf8))
}

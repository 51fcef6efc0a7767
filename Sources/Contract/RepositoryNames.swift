/// Which repositories of a registry are Kiln's: those below one path, `kiln` unless the operator names another.
///
/// A function's images are in `PATH/NAME`, the base image is in `PATH/base`; no function is called so. Two installations need two paths:
/// garbage collection takes what is below its own for its own.
package struct RepositoryNames: Hashable, Sendable {
    /// Those below `kiln`.
    package static let standard = RepositoryNames(uncheckedPath: "kiln")

    /// The longest path, in bytes: repositories have 255 at most, names of functions 40.
    private static let longest = 200

    /// The path, without slashes at its ends.
    package let path: String

    /// Those below `path`; `nil` when that is no path of repositories or too long.
    package init?(path: String) {
        guard ImageReference.isRepository(path), path.utf8.count <= Self.longest else { return nil }
        self.path = path
    }

    private init(uncheckedPath: String) { path = uncheckedPath }

    /// Where the base image is.
    package var base: String { path + "/base" }

    /// Where the images of `name` are.
    package func repository(of name: FunctionName) -> String { "\(path)/\(name)" }

    /// Whether `repository` is Kiln's.
    package func contains(_ repository: String) -> Bool { last(of: repository) != nil }

    /// The function whose images are in `repository`; `nil` for one that is not Kiln's, and for the base image's.
    package func function(of repository: String) -> FunctionName? {
        last(of: repository).flatMap { try? FunctionName($0) }
    }

    /// The one component below the path.
    private func last(of repository: String) -> String? {
        guard repository.hasPrefix(path + "/") else { return nil }
        let rest = repository.dropFirst(path.count + 1)
        return rest.isEmpty || rest.contains("/") ? nil : String(rest)
    }
}

import Contract
import OCI

/// The answer to a deploy whose packages do not work on all platforms that images are made for.
enum PlatformProblem {
    /// Most packages that are named.
    private static let most = 20

    /// Throws a 422 ``Contract/Problem`` that names the packages in `lock` which work on the Builder's platform, and not on another of `base`.
    static func check(
        _ lock: DenoLock, _ imports: [ExternalImport], file: String, on base: BaseImage
    ) throws(Problem) {
        guard !base.others.isEmpty else { return }
        let systems = LockedSystems(lock)
        let obstacles = base.others.flatMap { systems.obstacles(to: $0.image.config.platform, from: .host) }
        guard !obstacles.isEmpty else { return }
        let messages = obstacles.prefix(most).map { obstacle in
            if let dependent = obstacle.dependent {
                "The npm package \(dependent) has no part for \(obstacle.platform): for \(Platform.host) it needs \(obstacle.package)."
            } else {
                "The npm package \(obstacle.package) is not for \(obstacle.platform), as its os and cpu say."
            }
        }
        throw Problem(
            "unsupported-platform", 422, "A package is not for all platforms",
            "\(messages.joined(separator: " ")) Images are made for \(base.platforms): import another package, or have the operator change --platforms.",
            diagnostics: obstacles.prefix(most).enumerated().map { index, obstacle in
                let named =
                    [obstacle.dependent ?? obstacle.package, obstacle.package].compactMap { package in
                        imports.first { Self.names($0.specifier, package) }
                    }.first ?? imports.first
                return .init(
                    file: named?.file ?? file, line: named?.line, column: named?.column, code: "unsupported-platform",
                    message: messages[index])
            })
    }

    /// Whether the specifier `npm:NAME…` is of the package `NAME@VERSION`.
    private static func names(_ specifier: String, _ package: String) -> Bool {
        guard let at = package.lastIndex(of: "@") else { return false }
        let own = "npm:" + package[..<at]
        return specifier == own || specifier.hasPrefix(own + "@") || specifier.hasPrefix(own + "/")
    }
}

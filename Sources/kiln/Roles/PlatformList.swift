import OCI

/// The value of `--platforms`.
enum PlatformList {
    /// What there is a Deno for on Linux.
    private static let known = [
        Platform(os: "linux", architecture: "amd64"), Platform(os: "linux", architecture: "arm64"),
    ]

    /// The platforms in `text`, separated by commas. Throws a ``StartError`` for a malformed or unknown one, one that is named twice, a list without
    /// this machine's own, and for several without an image to put functions on.
    static func parse(_ text: String, hasBaseImage: Bool) throws -> [Platform] {
        var platforms: [Platform] = []
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            let platform: Platform
            do throws(OCIError) { platform = try Platform(String(part.drop { $0 == " " })) } catch {
                throw StartError("--platforms: \(error.message)")
            }
            guard known.contains(platform) else {
                throw StartError(
                    "--platforms: images cannot be made for \(platform): there is Deno for \(names(known)).")
            }
            guard !platforms.contains(platform) else { throw StartError("--platforms names \(platform) twice.") }
            platforms.append(platform)
        }
        guard platforms.contains(.host) else {
            throw StartError(
                "--platforms has to name this machine's own, \(Platform.host): functions are checked here. Say --platforms \(names([.host] + platforms, ","))."
            )
        }
        guard platforms.count == 1 || hasBaseImage else {
            throw StartError(
                "--platforms \(names(platforms, ",")) needs --base-image with an image that is for all of them: the one made with --deno is of this machine's Deno and libraries."
            )
        }
        return platforms
    }

    private static func names(_ platforms: [Platform], _ separator: String = " and ") -> String {
        platforms.map(\.description).joined(separator: separator)
    }
}

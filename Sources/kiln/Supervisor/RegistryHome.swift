import Deployer
import FoundationEssentials
import Glibc
import OCI

/// Where the images of a state directory's functions are: in its own registry, or in another, of which it keeps a note.
struct RegistryHome: Sendable {
    private let state: StateDirectory

    /// That of `state`.
    init(_ state: StateDirectory) { self.state = state }

    /// The other registry; `nil` for its own.
    func external() throws -> RegistryAccess? {
        guard let data = FileManager.default.contents(atPath: state.externalRegistry) else { return nil }
        do { return try JSONDecoder().decode(RegistryAccess.self, from: data) } catch {
            throw StartError(
                "\(state.externalRegistry) cannot be read. Remove it and name the registry again with --registry.")
        }
    }

    /// Notes that images are in `wanted` from now on. Throws when there are functions, whose images are elsewhere.
    func settle(_ wanted: RegistryAccess?) async throws {
        let known = try external()
        if wanted == known { return }
        if wanted?.registry != known?.registry, access(state.database, F_OK) == 0 {
            let count = try await SQLiteStore(path: state.database).names().count
            guard count == 0 else {
                throw StartError(
                    "The images of the \(count) functions in \(state.path) are in \(known?.registry ?? "its own registry"), not in "
                        + "\(wanted?.registry ?? "its own registry"). To move them, write them into a file with 'kiln backup' and bring them into "
                        + "a new state directory with 'kiln import'; docs/operations.md has the steps.")
            }
        }
        if let wanted {
            try DurableFile.write(Array(try JSONEncoder().encode(wanted)), to: state.externalRegistry)
        } else {
            unlink(state.externalRegistry)
        }
    }
}

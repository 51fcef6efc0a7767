import Contract
import OCI

/// What of a lock is for which platform.
///
/// Deno notes in its lock what npm packages say of themselves in `os` and `cpu` (package.json, npm's names), and which dependencies are optional.
/// It takes of the optional ones only those for the machine it runs on, with what these need; all others whatever they say.
struct LockedSystems: Sendable {
    private struct Entry: Sendable {
        var name: String
        var version: String
        var systems: [String]
        var processors: [String]
        var dependencies: [String]
        var optional: [String]
    }

    /// The packages by their keys in the lock, and the keys of each name.
    private var entries: [String: Entry] = [:]
    private var keys: [String: [String]] = [:]
    private var roots: Set<String> = []

    /// Of the lock `lock`.
    init(_ lock: DenoLock) {
        for (key, value) in lock.npm {
            guard let at = key.dropFirst().firstIndex(of: "@") else { continue }
            func texts(_ member: String) -> [String] {
                value.members?[member]?.elements?.compactMap(\.text) ?? []
            }
            let name = String(key[..<at])
            entries[key] = Entry(
                name: name, version: String(key[key.index(after: at)...].prefix { $0 != "_" }), systems: texts("os"),
                processors: texts("cpu"), dependencies: texts("dependencies"),
                optional: texts("optionalDependencies"))
            keys[name, default: []].append(key)
        }
        for (specifier, version) in lock.specifiers where specifier.hasPrefix("npm:") {
            let rest = specifier.dropFirst("npm:".count)
            let name = rest.dropFirst().firstIndex(of: "@").map { String(rest[..<$0]) } ?? String(rest)
            if entries["\(name)@\(version)"] != nil { roots.insert("\(name)@\(version)") }
        }
    }

    /// A package that is needed on one platform and not for another.
    struct Obstacle: Sendable, Hashable {
        /// `NAME@VERSION`.
        var package: String
        /// The platform that it is not for.
        var platform: Platform
        /// The package whose optional dependency it is, with no other one for the platform; `nil` when it is needed itself.
        var dependent: String?
    }

    /// What keeps code that works on `own` from working on `platform`: packages that are needed and for `own` alone, and packages that have an optional
    /// dependency for `own` and none for `platform`. Ordered by name.
    func obstacles(to platform: Platform, from own: Platform) -> [Obstacle] {
        var found: Set<Obstacle> = []
        let there = packages(on: platform)
        for key in there where isFor(own, key) && !isFor(platform, key) {
            found.insert(Obstacle(package: plain(key), platform: platform, dependent: nil))
        }
        for key in there {
            let particular = (entries[key]?.optional ?? []).flatMap(targets).filter { isRestricted($0) }
            guard let ours = particular.first(where: { isFor(own, $0) }),
                !particular.contains(where: { isFor(platform, $0) })
            else { continue }
            found.insert(Obstacle(package: plain(ours), platform: platform, dependent: plain(key)))
        }
        return found.sorted { ($0.package, $0.dependent ?? "") < ($1.package, $1.dependent ?? "") }
    }

    /// What Deno takes on `platform`: keys of the lock.
    func packages(on platform: Platform) -> Set<String> {
        var found = roots
        var pending = Array(roots)
        while let key = pending.popLast() {
            guard let entry = entries[key] else { continue }
            let optional = entry.optional.flatMap(targets).filter { isFor(platform, $0) }
            for next in entry.dependencies.flatMap(targets) + optional where found.insert(next).inserted {
                pending.append(next)
            }
        }
        return found
    }

    /// The directories of the packages on `platform`, when those on `own` are `folders`: `NAME/VERSION`; `nil` when they are the same.
    func folders(on platform: Platform, from own: Platform, _ folders: [String]) -> [String]? {
        let (here, there) = (packages(on: own), packages(on: platform))
        guard here != there else { return nil }
        let kept = Set(there.map(folder))
        let gone = Set(here.subtracting(there).map(folder)).subtracting(kept)
        let added = Set(there.subtracting(here).map(folder)).subtracting(folders)
        return folders.filter { !gone.contains($0) } + added.sorted()
    }

    private func folder(_ key: String) -> String {
        entries[key].map { "\(DependencyLayer.folder(of: $0.name))/\($0.version)" } ?? key
    }

    /// The keys that an entry of a list of dependencies means: `NAME` when the lock has one of that name, or `NAME@VERSION`, or `ALIAS@npm:NAME@VERSION`.
    private func targets(_ text: String) -> [String] {
        let text = text.firstRange(of: "@npm:").map { String(text[$0.upperBound...]) } ?? text
        return entries[text] != nil ? [text] : keys[text] ?? []
    }

    private func isRestricted(_ key: String) -> Bool {
        entries[key].map { !$0.systems.isEmpty || !$0.processors.isEmpty } ?? false
    }

    /// Whether the package says that it is for `platform`, as npm reads it.
    private func isFor(_ platform: Platform, _ key: String) -> Bool {
        guard let entry = entries[key] else { return true }
        let processor = platform.architecture == "amd64" ? "x64" : platform.architecture
        return Self.allows(entry.systems, platform.os) && Self.allows(entry.processors, processor)
    }

    /// Whether a list of names, or of `!` and names, has `name` in it (npm-install-checks, `checkList`).
    private static func allows(_ list: [String], _ name: String) -> Bool {
        if list.contains("!" + name) { return false }
        return list.contains(name) || list.contains("any") || list.allSatisfy { $0.hasPrefix("!") }
    }

    /// `NAME@VERSION`.
    private func plain(_ key: String) -> String { entries[key].map { "\($0.name)@\($0.version)" } ?? key }
}

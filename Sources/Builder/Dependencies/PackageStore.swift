import Contract
import Crypto
import FoundationEssentials
import Glibc
import OCI
import Transfer

/// Archives of npm packages on this machine's disk, each under the digest that locks name it by.
///
/// What goes into an image comes from here, never from a directory that a container wrote. A package that any function
/// uses is fetched once.
struct PackageStore: Sendable {
    private static let mostRedirects = 5

    let directory: String
    let client: HTTPClient
    let settings: DependencySettings

    /// The files of `package`. Throws a ``Contract/Problem`` when its archive cannot be had.
    func files(of package: DenoLock.Package) async throws -> [Tarball.File] {
        let path = "\(directory)/\(Self.name(package.integrity))"
        if let stored = try? Data(contentsOf: URL(filePath: path)), Self.verify(Array(stored), package.integrity) {
            // Counts as used.
            utimensat(AT_FDCWD, path, nil, 0)
            return try unpack(Array(stored), package)
        }
        let bytes = try await fetch(package)
        guard Self.verify(bytes, package.integrity) else {
            throw Self.unavailable(
                package, "its archive is not the one that the registry announced (\(package.integrity))")
        }
        store(bytes, at: path)
        return try unpack(bytes, package)
    }

    private func unpack(_ bytes: [UInt8], _ package: DenoLock.Package) throws -> [Tarball.File] {
        do throws(OCIError) {
            return try Tarball.files(in: bytes, maximumSize: settings.bytes, maximumFiles: settings.files)
        } catch {
            throw Problem(
                "imports-too-large", 422, "Imports too large",
                "The npm package \(package.name)@\(package.version) cannot be used: \(error.message) Import less; "
                    + "the operator can raise the limits with --max-dependencies and --max-dependency-files.")
        }
    }

    private func fetch(_ package: DenoLock.Package) async throws -> [UInt8] {
        var url =
            package.archive ?? DenoLock.usualArchive(package.name, package.version, in: settings.npmRegistry)
        for _ in 0...Self.mostRedirects {
            guard let address = URL(string: url), let host = address.host(), ["http", "https"].contains(address.scheme)
            else { throw Self.unavailable(package, "its archive has no address") }
            let verdict = settings.policy.verdict(host, address.port ?? (address.scheme == "http" ? 80 : 443))
            if case .refused(let sentence) = verdict { throw Self.unavailable(package, sentence) }
            let policy = settings.policy
            let request = ClientRequest(
                .get, url,
                timeouts: Timeouts(
                    connect: .seconds(10), total: .seconds(settings.seconds), idle: .seconds(settings.silence)),
                addressRule: AddressRule { policy.permits($0, verdict) })
            let answer: CollectedResponse
            do throws(TransferError) {
                answer = try await client.collect(request, limit: settings.bytes)
            } catch {
                throw Self.unavailable(package, error.message)
            }
            if (300..<400).contains(answer.status), let location = answer.headers["Location"],
                let next = URL(string: location, relativeTo: address)?.absoluteString
            {
                url = next
                continue
            }
            guard answer.status == 200 else {
                throw Self.unavailable(package, "the registry answered with status \(answer.status)")
            }
            return answer.body
        }
        throw Self.unavailable(package, "its archive is behind too many redirects")
    }

    /// A failure to store costs only another download.
    private func store(_ bytes: [UInt8], at path: String) {
        let temporary = "\(path).\(getpid()).\(UInt64.random(in: 0 ... .max))"
        guard (try? Data(bytes).write(to: URL(filePath: temporary))) != nil, rename(temporary, path) == 0 else {
            unlink(temporary)
            return
        }
        trim()
    }

    /// Removes the archives that have been unused the longest, until the others fit.
    private func trim() {
        var entries: [(path: String, size: Int, used: Int)] = []
        for name in (try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? [] {
            var status = stat()
            let path = "\(directory)/\(name)"
            guard lstat(path, &status) == 0 else { continue }
            entries.append((path, Int(status.st_size), status.st_mtim.tv_sec))
        }
        var total = entries.reduce(0) { $0 + $1.size }
        for entry in entries.sorted(by: { $0.used < $1.used }) where total > settings.cache {
            unlink(entry.path)
            total -= entry.size
        }
    }

    /// The integrity as a file name.
    private static func name(_ integrity: String) -> String {
        String(integrity.map { $0 == "/" ? "_" : $0 == "+" ? "-" : $0 })
    }

    /// Whether `bytes` hash to `integrity`.
    static func verify(_ bytes: [UInt8], _ integrity: String) -> Bool {
        switch integrity.split(separator: "-", maxSplits: 1).first {
        case "sha512": integrity == "sha512-" + Data(SHA512.hash(data: bytes)).base64EncodedString()
        // Packages from before 2017 have nothing better (npm registry, "dist.shasum").
        default:
            integrity == Insecure.SHA1.hash(data: bytes).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        }
    }

    private static func unavailable(_ package: DenoLock.Package, _ reason: String) -> Problem {
        Problem(
            "imports-unavailable", 502, "Imports cannot be fetched",
            "The npm package \(package.name)@\(package.version) cannot be fetched: \(reason). "
                + "What is live stays as it is; try again later.", retryAfter: 10)
    }
}

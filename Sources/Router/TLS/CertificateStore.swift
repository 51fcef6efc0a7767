import Contract
import Logging
import Synchronization
import Telemetry

/// The certificate that new connections get. Its files are looked at every few seconds; a pair that no server could use leaves the one before
/// in its place, for it may be half written.
final class CertificateStore: Sendable {
    private struct State {
        var current: ServerCertificate
        var seen: PairIdentity
        /// The pair that could not be used: it is told of once, and tried again, in case that it was still being written.
        var failing: PairIdentity?
        var loads = 1
        var failures = 0
    }

    private let files: TLSFiles
    private let logger: Logger
    /// The seconds since 1970.
    private let now: @Sendable () -> Int
    private let state: Mutex<State>

    /// Reads the pair; throws when there is none that works.
    init(
        _ files: TLSFiles, logger: Logger,
        now: @escaping @Sendable () -> Int = { Int(Timestamp.now().milliseconds / 1000) }
    ) throws(RouterError) {
        self.files = files
        self.now = now
        self.logger = logger
        let seen = PairIdentity(files)
        let current = try ServerCertificate(files)
        state = Mutex(State(current: current, seen: seen))
        if current.notAfter < now() { logger.warning("the certificate has expired", metadata: describe(current)) }
    }

    /// What a new connection gets.
    var current: ServerCertificate { state.withLock { $0.current } }

    /// Looks at the files every few seconds, until the task is cancelled.
    func watch() async {
        while (try? await Task.sleep(for: files.interval)) != nil { refresh() }
    }

    /// Takes what is in the files if they have changed.
    func refresh() {
        let seen = PairIdentity(files)
        guard state.withLock({ $0.seen != seen }) else { return }
        do {
            let next = try ServerCertificate(files)
            // Files that are exchanged while they are read are read again the next time.
            guard PairIdentity(files) == seen else { return }
            guard next.notAfter >= now() || current.notAfter < now() else {
                throw RouterError(.configuration, "The certificate in \(files.certificate) has expired.")
            }
            state.withLock { state in
                (state.current, state.seen, state.failing) = (next, seen, nil)
                state.loads += 1
            }
            logger.notice("certificate loaded", metadata: describe(next))
        } catch {
            let isNew = state.withLock { state in
                guard state.failing != seen else { return false }
                state.failing = seen
                state.failures += 1
                return true
            }
            guard isNew else { return }
            logger.error("the certificate is not replaced: the one before is used on", metadata: ["error": "\(error)"])
        }
    }

    /// What has become of the files.
    struct Figures {
        /// When the certificate in use expires, in seconds since 1970.
        var notAfter: Int
        var loads: Int
        var failures: Int
    }

    var figures: Figures {
        state.withLock { Figures(notAfter: $0.current.notAfter, loads: $0.loads, failures: $0.failures) }
    }

    /// The metrics of a certificate, or of a Router that has none.
    static func families(_ figures: Figures?) -> [MetricFamily] {
        var loads = MetricFamily(
            "kiln_router_tls_certificate_loads_total", .counter,
            "Times that the certificate's files had changed and were taken, or were refused because no server could use them."
        )
        loads.add(figures?.loads ?? 0, .init("outcome", "taken"))
        loads.add(figures?.failures ?? 0, .init("outcome", "refused"))
        var expiry = MetricFamily(
            "kiln_router_tls_certificate_expiry_seconds", .gauge,
            "When the certificate in use expires, in seconds since 1970; without TLS there is none.")
        if let figures { expiry.add(figures.notAfter) }
        return [loads, expiry]
    }

    private func describe(_ certificate: ServerCertificate) -> Logger.Metadata {
        ["file": "\(files.certificate)", "notAfter": "\(Timestamp(milliseconds: Int64(certificate.notAfter) * 1000))"]
    }
}

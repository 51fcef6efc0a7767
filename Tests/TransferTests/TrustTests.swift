import FoundationEssentials
import Support
import Testing

@testable import Transfer

@Suite struct TrustTests {
    @Test func `certificates beside the system's are trusted with them, also where the system has one file alone`()
        async throws
    {
        try await withTemporaryDirectory { directory in
            let (system, own) = (directory + "/system.pem", directory + "/own.pem")
            try Data("one\n".utf8).write(to: URL(filePath: system))
            try Data("two\n".utf8).write(to: URL(filePath: own))
            let trust = TLSSettings.Trust.systemAnd(pemFile: own)
            #expect(trust.loaded(system: system) == .onlyCertificates(pem: Array("one\n\ntwo\n".utf8)))
            // What cannot be read is libcurl's to complain of.
            #expect(trust.loaded(system: directory + "/missing") == trust)
            let missing = TLSSettings.Trust.systemAnd(pemFile: directory + "/missing")
            #expect(missing.loaded(system: system) == missing)
            #expect(TLSSettings.Trust.system.loaded(system: system) == .system)
        }
    }
}

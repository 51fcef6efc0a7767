import Support
import Testing

/// The API server in memory answers what the real one answered.
@Suite struct KubernetesServerTests {
    /// A recording, and the exchanges in it that are beyond this server.
    struct Recording: Sendable, CustomTestStringConvertible {
        var name: String
        var namespace: String
        var skipped: [Int] = []
        var testDescription: String { name }
    }

    @Test(arguments: [
        // Compiling CEL against types, discovery, and the tables of kubectl.
        Recording(name: "02-crd-functions", namespace: "crd", skipped: [1, 2, 3, 9, 35, 36, 37]),
        // What the autoscaler's controller did, and a value printed as Go does.
        Recording(name: "03-apply-workloads", namespace: "apply", skipped: [29, 30, 31, 43]),
        Recording(name: "03c-replicas-ownership", namespace: "own"),
        // A version number in a message.
        Recording(name: "04b-watch-ends", namespace: "watch2", skipped: [4]),
        // ReplicaSets and Pods, which controllers make; JSON patch; a random name.
        Recording(
            name: "07-scale-rollback-delete", namespace: "life", skipped: [11, 13, 17, 28, 38, 47, 48, 58, 63, 64]),
        Recording(name: "09-leases", namespace: "lease"),
    ])
    func `a recording is answered as it was by the real server`(recording: Recording) async throws {
        try await withKubernetes(namespaces: [recording.namespace]) { server in
            let differences = try await replay(recording.name, skipping: recording.skipped, on: server)
            #expect(differences == [])
        }
    }
}

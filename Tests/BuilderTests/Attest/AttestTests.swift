import Builder
import Contract
import FoundationEssentials
import Logging
import OCI
import Support
import Testing
import Transfer

/// What is put beside images, judged by tools that know nothing of Kiln.
@Suite(.serialized) struct AttestTests {
    private static let hello = "export default () => new Response('hello')"
    private static func answer(_ answer: CollectedResponse) throws -> DeployAnswer {
        try JSONDecoder().decode(DeployAnswer.self, from: Data(answer.body))
    }

    /// The blob of the referrer of `type`.
    private static func document(_ type: MediaType, of digest: Digest, _ registry: Registry) async throws -> [UInt8] {
        let found = try await registry.referrers(of: digest, in: "kiln/hello").filter { $0.artifactType == type }
        #expect(found.count == 1)
        let bytes = try await registry.manifest("kiln/hello", .digest(try #require(found.first).digest)).bytes
        let manifest = try JSONDecoder().decode(Manifest.self, from: Data(bytes))
        return try await registry.blob("kiln/hello", try #require(manifest.layers.first))
    }

    @Test func `a deploy leaves a signature, a bill of materials and its provenance, and the next is one lookup`()
        async throws
    {
        let key = SigningKey()
        try await withBuilder(attesting: { Attestor.test($0, key) }) { builder in
            let first = try Self.answer(try await builder.post("name=hello", Self.hello))
            #expect(first.warnings == nil && first.timings["attest"] != nil)
            let registry = builder.registry
            let verdict = try await registry.verdict(on: first.digest, in: "kiln/hello", by: [key.verifyingKey])
            #expect(verdict == .valid(by: key.verifyingKey))
            let types = try await registry.referrers(of: first.digest, in: "kiln/hello").map(\.artifactType)
            #expect(types == [.spdx, .statement])

            builder.deployer.setChecker(nil)
            try await waitUntil("the image is attested to") {
                try await registry.tags("kiln/hello").contains { $0.hasPrefix("a-") }
            }
            let tags = try await registry.tags("kiln/hello").sorted()
            let second = try Self.answer(try await builder.post("name=hello", Self.hello))
            #expect(second.digest == first.digest)
            for phase in ["check", "layer", "push", "attest", "sign"] { #expect(second.timings[phase] == nil) }
            #expect(try await registry.tags("kiln/hello").sorted() == tags)
        }
    }

    @Test func `the documents are what SPDX's and in-toto's own tools take`() async throws {
        try await withNPMRegistry([TestPackage.sums]) { npm in
            let key = SigningKey()
            try await withBuilder(
                imports: DependencyTests.settings(npm: npm), attesting: { Attestor.test($0, key) }
            ) { builder in
                let source = "import { sum } from 'npm:sums@1';\nexport default () => new Response(String(sum(1, 2)));"
                let deployed = try Self.answer(try await builder.post("name=hello", source))
                let bill = try await Self.document(.spdx, of: deployed.digest, builder.registry)
                let envelope = try await Self.document(.statement, of: deployed.digest, builder.registry)
                try await withRoot { root in
                    try Data(bill).write(to: URL(filePath: root + "/bill.spdx.json"))
                    try Data(envelope).write(to: URL(filePath: root + "/envelope.json"))
                    try Data(key.verifyingKey.pem.utf8).write(to: URL(filePath: root + "/key.pub"))
                    let judged = try await command(
                        "/usr/bin/python3", ["-c", Self.judge, root, deployed.digest.hex],
                        environment: ["PYTHONPATH": Clone.root + "/.tools/judges"])
                    #expect(judged.output == "pkg:npm/sums@1.0.0\nVerified OK\n", "\(judged.output)\(judged.errors)")
                    let source = try await command("sha256sum", [], input: Array(source.utf8))
                    let statement = try await command(
                        "/usr/bin/python3",
                        [
                            "-c",
                            "import base64,json,sys; print(base64.b64decode(json.load(sys.stdin)['payload']).decode())",
                        ],
                        input: envelope)
                    #expect(statement.output.contains(String(source.output.prefix(64))))
                }
            }
        }
    }

    private static let judge = #"""
        import base64, json, subprocess, sys
        from google.protobuf import json_format
        from in_toto_attestation.v1.statement import Statement
        from in_toto_attestation.v1 import statement_pb2
        from in_toto_attestation.predicates.provenance.v1 import provenance_pb2
        from spdx_tools.spdx.parser.parse_anything import parse_file
        from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

        root, digest = sys.argv[1:]
        bill = parse_file(root + '/bill.spdx.json')
        problems = validate_full_spdx_document(bill)
        assert not problems, problems
        found = {reference.locator: package for package in bill.packages for reference in package.external_references}
        package = found['pkg:npm/sums@1.0.0']
        assert [c.algorithm.name for c in package.checksums] == ['SHA512'], package.checksums
        print('pkg:npm/sums@1.0.0')

        envelope = json.load(open(root + '/envelope.json'))
        payload, kind = base64.b64decode(envelope['payload']), envelope['payloadType']
        assert kind == 'application/vnd.in-toto+json'
        statement = json_format.Parse(payload, statement_pb2.Statement())
        Statement.copy_from_pb(statement).validate()
        assert statement.subject[0].digest['sha256'] == digest
        assert statement.predicate_type == 'https://slsa.dev/provenance/v1'
        provenance = json_format.ParseDict(json_format.MessageToDict(statement.predicate), provenance_pb2.Provenance())
        uris = [one.uri for one in provenance.build_definition.resolved_dependencies]
        assert 'pkg:npm/sums@1.0.0' in uris and uris[0].startswith('pkg:oci/base@sha256%3A'), uris
        assert provenance.build_definition.build_type and provenance.run_details.builder.version['kiln'] == '1.2.3'
        open(root + '/signed', 'wb').write(b'DSSEv1 %d %s %d %s' % (len(kind), kind.encode(), len(payload), payload))
        open(root + '/signature', 'wb').write(base64.b64decode(envelope['signatures'][0]['sig']))
        print(subprocess.run(['openssl', 'dgst', '-sha256', '-verify', root + '/key.pub', '-signature', root + '/signature',
                              root + '/signed'], capture_output=True, text=True).stdout, end='')
        """#

    @Test func `without a key the documents are the same bytes, whoever makes them`() async throws {
        try await withChecker { checker in
            var found: [[UInt8]] = []
            for _ in 1...2 {
                let documents = try await withRegistry { registry in
                    let log = Log()
                    try await withBuilder(
                        recipe: smallRecipe, limits: BuilderAPI.Limits(), registry: registry, checker: checker,
                        attesting: { Attestor.test($0, nil) }
                    ) { builder in
                        let digest = try Self.answer(try await builder.post("name=hello", Self.hello)).digest
                        for type in [MediaType.spdx, .statement] {
                            log.add(
                                String(
                                    decoding: try await Self.document(type, of: digest, builder.registry), as: UTF8.self
                                ))
                        }
                        #expect(
                            try await builder.registry.verdict(on: digest, in: "kiln/hello", by: []) == .unsigned)
                    }
                    return log.lines
                }
                found.append(Array(documents.joined(separator: "\n").utf8))
            }
            #expect(found[0] == found[1] && !found[0].isEmpty)
        }
    }

    @Test func `where signatures are demanded they are there before the Deployer is asked`() async throws {
        let key = SigningKey()
        try await withBuilder(attesting: { Attestor.test($0, key) }) { builder in
            let registry = builder.registry
            builder.deployer.demandSignatures { deploy in
                let verdict = try await registry.verdict(
                    on: deploy.image.digest, in: "kiln/hello", by: [key.verifyingKey])
                guard verdict == .valid(by: key.verifyingKey) else {
                    throw Problem("x", 400, "Too early", "\(verdict)")
                }
            }
            for text in ["a", "b", "c"] {
                let answer = try await builder.post("name=hello", Self.hello + "// \(text)")
                #expect(answer.status == 201, "\(answer.text)")
            }
        }
    }

    @Test func `an image that nobody has vouched for yet is by the next deploy, and by each key`() async throws {
        let keys: [SigningKey?] = [nil, SigningKey(), SigningKey()]
        try await withRegistry { registry in
            try await withChecker { checker in
                for (index, key) in keys.enumerated() {
                    try await withBuilder(
                        recipe: smallRecipe, limits: BuilderAPI.Limits(), registry: registry, checker: checker,
                        attesting: { index == 0 ? Attestor.test($0, nil) : Attestor.test($0, key) }
                    ) { builder in
                        let digest = try Self.answer(try await builder.post("name=hello", Self.hello)).digest
                        for known in keys[...index].compactMap({ $0?.verifyingKey }) {
                            let verdict = try await builder.registry.verdict(on: digest, in: "kiln/hello", by: [known])
                            #expect(verdict == .valid(by: known))
                        }
                    }
                }
            }
        }
    }

    @Test func `two builders that make the same image at once both end well`() async throws {
        let key = SigningKey()
        try await withBuilder(attesting: { Attestor.test($0, key) }) { builder in
            let answers = try await withThrowingTaskGroup(of: DeployAnswer.self) { group in
                for _ in 1...4 {
                    group.addTask { try Self.answer(try await builder.post("name=hello", Self.hello)) }
                }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(Set(answers.map(\.digest)).count == 1)
            #expect(answers.allSatisfy { $0.warnings == nil })
            let types = try await builder.registry.referrers(of: answers[0].digest, in: "kiln/hello")
                .map(\.artifactType)
            #expect(types.count { $0 == .spdx } == 1)
            #expect(types.contains(.statement))
        }
    }
}

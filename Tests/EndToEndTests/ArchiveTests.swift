import Foundation
import Support
import Testing
import Transfer

/// Backups, and functions that move to another platform.
@Suite(.serialized) struct ArchiveTests {
    private func source(_ text: String) -> String { "export default () => new Response('\(text)');" }

    private func kiln(_ arguments: String...) throws -> (code: Int32, output: String) {
        try run(Platform.program, arguments)
    }

    /// The revisions of `name` without what differs between two platforms.
    private func revisions(_ platform: Platform, _ name: String) async throws -> [String] {
        let json = try await platform.get("/func/\(name)/revisions").json
        let revisions = json["revisions"] as? [[String: Any]] ?? []
        let history = json["history"] as? [[String: Any]] ?? []
        return revisions.map { revision in
            let digest = (revision["image"] as? String ?? "").split(separator: "@").last ?? ""
            let flags = "\(revision["live"] ?? "") \(revision["pinned"] ?? "") \(revision["state"] ?? "")"
            return "\(revision["revision"] ?? "") \(digest) \(revision["created"] ?? "") \(flags)"
        } + history.map { "\($0["revision"] ?? "") \($0["at"] ?? "") \($0["cause"] ?? "")" }
    }

    @Test func `a backup of a running platform becomes the same platform elsewhere`() async throws {
        try await withState { first, port, registryPort in
            let stored = try run(
                "sh", ["-c", "printf %s geheim | '\(Platform.program)' secret set API_KEY --state-dir '\(first)'"])
            #expect(stored.code == 0, "\(stored.output)")
            let platform = try await Platform(state: first, port: port, registryPort: registryPort)
            for number in 1...3 { try await platform.mustDeploy("hello", source("\(number)"), "&env=N=\(number)") }
            #expect(try await platform.call(.post, "/func/hello/pin?revision=1").status == 204)
            #expect(try await platform.call(.post, "/func/hello/rollback").status == 200)
            try await platform.mustDeploy(
                "keeper", "export default () => new Response(Deno.env.get('API_KEY'));", "&secret=API_KEY")
            try await platform.mustDeploy("gone", source("gone"))
            #expect(try await platform.call(.delete, "/func/gone").status == 204)
            let before = try await revisions(platform, "hello")

            let file = first + "/backup.tar"
            let backup = try kiln("backup", file, "--state-dir", first)
            #expect(backup.code == 0, "\(backup.output)")
            #expect(backup.output.contains("2 functions with 4 revisions, 1 secrets"), "\(backup.output)")
            #expect(try FileManager.default.attributesOfItem(atPath: file)[.posixPermissions] as? Int == 0o600)
            #expect(try kiln("backup", file, "--state-dir", first).code == 1)
            let inspected = try run("skopeo", ["inspect", "oci-archive:\(file):hello-r2"])
            #expect(inspected.code == 0, "\(inspected.output)")
            let images = try #require(before.first { $0.hasPrefix("2 ") }).split(separator: " ")[1]
            #expect(inspected.output.contains(images), "\(inspected.output)")
            let sums = try run(
                "sh",
                [
                    "-c",
                    "mkdir '\(first)/x' && cd '\(first)/x' && tar xf ../backup.tar && sha256sum -c --quiet SHA256SUMS",
                ])
            #expect(sums.code == 0, "\(sums.output)")
            await platform.stop()

            try await withState { second, port, registryPort in
                try await refusesDamage(file, second)
                let restored = try kiln("restore", file, "--state-dir", second)
                #expect(restored.code == 0, "\(restored.output)")
                let again = try kiln("restore", file, "--state-dir", second)
                #expect(again.code == 1 && again.output.contains("empty state directory"), "\(again.output)")
                let platform = try await Platform(state: second, port: port, registryPort: registryPort)
                try await eventually("the functions answer", within: .seconds(60)) {
                    let hello = try await platform.get("/fn/hello").text
                    let pinned = try await platform.get("/fn/hello@1").text
                    let keeper = try await platform.get("/fn/keeper").text
                    return hello == "2" && pinned == "1" && keeper == "geheim"
                }
                #expect(try await revisions(platform, "hello") == before)
                #expect(try await platform.call(.post, "/func/hello/rollback?to=3").status == 200)
                #expect(try await platform.get("/fn/hello").text == "3")
                #expect(try await platform.mustDeploy("hello", source("4")).json["revision"] as? Int == 4)
                #expect(try await platform.mustDeploy("gone", source("new")).json["revision"] as? Int == 2)
                await platform.stop()
            }
        }
    }

    /// Archives that were cut off or changed are refused before anything is there.
    private func refusesDamage(_ file: String, _ state: String) async throws {
        let whole = try Data(contentsOf: URL(filePath: file))
        var flipped = whole
        flipped[whole.count / 2] ^= 1
        for (what, bytes) in [
            ("cut off", whole.prefix(whole.count / 2)), ("without its end", whole.dropLast(4096)), ("changed", flipped),
            ("empty", Data()), ("something else", Data("hello".utf8)),
        ] {
            let path = state + "/damaged.tar"
            try bytes.write(to: URL(filePath: path))
            let refused = try kiln("restore", path, "--state-dir", state)
            #expect(refused.code == 1 && refused.output.contains("damaged"), "\(what): \(refused.output)")
            #expect(!FileManager.default.fileExists(atPath: state + "/kiln.sqlite"), "\(what)")
            let left = try FileManager.default.contentsOfDirectory(atPath: state).filter { $0.hasPrefix("import-") }
            #expect(left.isEmpty, "\(what)")
            #expect(try FileManager.default.contentsOfDirectory(atPath: state + "/secrets").isEmpty, "\(what)")
        }
        try FileManager.default.removeItem(atPath: state + "/damaged.tar")
    }

    @Test func `one function moves from a running platform to another running one`() async throws {
        try await withState { first, port, registryPort in
            let here = try await Platform(state: first, port: port, registryPort: registryPort)
            for number in 1...2 { try await here.mustDeploy("mover", source("\(number)")) }
            try await here.mustDeploy("stays", source("stays"))
            let file = first + "/mover.tar"
            let exported = try kiln("export", file, "--function", "mover", "--state-dir", first, "--json")
            #expect(exported.code == 0 && exported.output.contains(#""functions":["mover"]"#), "\(exported.output)")
            #expect(try kiln("export", first + "/no.tar", "--function", "nobody", "--state-dir", first).code == 1)
            #expect(!FileManager.default.fileExists(atPath: first + "/no.tar"))
            let before = try await revisions(here, "mover")
            await here.stop()

            try await withState { second, port, registryPort in
                let there = try await Platform(state: second, port: port, registryPort: registryPort)
                try await there.mustDeploy("other", source("other"))
                let refused = try kiln("restore", file, "--state-dir", second)
                #expect(refused.code == 1 && refused.output.contains("kiln import"), "\(refused.output)")
                let imported = try kiln("import", file, "--state-dir", second)
                #expect(imported.code == 0, "\(imported.output)")
                #expect(try await there.get("/fn/mover").text == "2")
                #expect(try await there.get("/fn/other").text == "other")
                #expect(try await revisions(there, "mover") == before)
                #expect(try await there.call(.post, "/func/mover/rollback").status == 200)
                #expect(try await there.get("/fn/mover").text == "1")
                let twice = try kiln("import", file, "--state-dir", second)
                #expect(twice.code == 1 && twice.output.contains("'mover'"), "\(twice.output)")
                #expect(try await there.mustDeploy("mover", source("3")).json["revision"] as? Int == 3)
                let collected = try await there.call(.post, "/gc?dry-run=true")
                #expect(collected.json["bytes"] as? Int == 0, "\(collected.text)")
                await there.stop()
            }
        }
    }

    @Test func `a function of several files, one of them no module, moves as a whole`() async throws {
        try await withState { first, port, registryPort in
            let here = try await Platform(state: first, port: port, registryPort: registryPort)
            let directory = first + "/shop"
            let files = [
                "main.ts": """
                import { greet } from "./lib/greet.ts";
                import prices from "./data/prices.json" with { type: "json" };
                export default () => new Response(`${greet("shop")} ${prices.tea} ${Deno.readTextFileSync(new URL("./data/note.txt", import.meta.url))}`);
                """,
                "lib/greet.ts": "export const greet = (name: string): string => `hello ${name}`;",
                "data/prices.json": #"{"tea":3}"#, "data/note.txt": "closed",
            ]
            for (name, text) in files {
                let path = "\(directory)/\(name)"
                try FileManager.default.createDirectory(
                    atPath: URL(filePath: path).deletingLastPathComponent().path, withIntermediateDirectories: true)
                try text.write(toFile: path, atomically: true, encoding: .utf8)
            }
            let deployed = try kiln("deploy", directory, "--name", "shop", "--url", here.url)
            #expect(deployed.code == 0, "\(deployed.output)")
            #expect(try await here.get("/fn/shop").text == "hello shop 3 closed")
            let before = try await revisions(here, "shop")
            let file = first + "/shop.tar"
            let exported = try kiln("export", file, "--function", "shop", "--state-dir", first)
            #expect(exported.code == 0, "\(exported.output)")
            await here.stop()

            try await withState { second, port, registryPort in
                // Nothing runs there: what was imported is found at the start.
                let imported = try kiln("import", file, "--state-dir", second)
                #expect(imported.code == 0, "\(imported.output)")
                let there = try await Platform(state: second, port: port, registryPort: registryPort)
                try await eventually("it answers", within: .seconds(60)) {
                    try await there.get("/fn/shop").text == "hello shop 3 closed"
                }
                #expect(try await revisions(there, "shop") == before)
                // The same files again are the same image.
                let again = try kiln("deploy", directory, "--name", "shop", "--url", there.url)
                #expect(again.code == 0 && again.output.contains("unchanged"), "\(again.output)")
                await there.stop()
            }
        }
    }
}

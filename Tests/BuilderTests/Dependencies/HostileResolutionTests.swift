import Contract
import Crypto
import FoundationEssentials
import OCI
import Testing

@testable import Builder

/// What comes out of the checker's container is not believed.
struct HostileResolutionTests {
    private static let url = "https://example.com/a.ts"
    private static let content = "export const a = 1;"
    private static let digest = SHA256.hash(data: Array(content.utf8)).map { byte in
        (byte < 16 ? "0" : "") + String(byte, radix: 16)
    }.joined()

    private static func lock(_ sections: String = "") throws -> DenoLock {
        try DenoLock(#"{"version":"5","remote":{"\#(url)":"\#(digest)"}\#(sections)}"#)
    }

    private static func file(
        _ url: String, _ content: String, path: String? = nil, headers: String = "{}"
    ) throws -> Resolution.File {
        let notes = #"{"headers":\#(headers),"url":"\#(url)","time":123}"#
        return .init(
            path: try path ?? RemoteModules.path(of: url),
            bytes: Array("\(content)\n// denoCacheMetadata=\(notes)".utf8))
    }

    private func bake(_ files: [Resolution.File], _ lock: DenoLock) throws -> [String] {
        try RemoteModules(lock: lock, jsrURL: "https://jsr.example/").baked(files).map {
            String(decoding: $0.bytes, as: UTF8.self)
        }
    }

    @Test func `a module is baked without time and servers' chatter`() throws {
        let headers = #"{"Date":"now","content-type":"text/javascript","etag":"x"}"#
        let baked = try bake([try Self.file(Self.url, Self.content, headers: headers)], try Self.lock())
        #expect(
            baked == [
                Self.content
                    + "\n// denoCacheMetadata="
                    + #"{"headers":{"content-type":"text/javascript"},"time":0,"url":"https://example.com/a.ts"}"#
            ])
    }

    @Test func `a module with other content, an unknown one and one in a wrong place are refused`() throws {
        let lock = try Self.lock()
        let hostile = [
            try Self.file(Self.url, Self.content + " "), try Self.file("https://example.com/b.ts", Self.content),
            try Self.file(Self.url, Self.content, path: "https/example.com/../../../etc/passwd"),
            try Self.file("https://jsr.example/@a/b/1.0.0/mod.ts", "x"),
            try Self.file("https://jsr.example/@a/b/1.0.0_meta.json", #"{"manifest":{}}"#),
            Resolution.File(path: "https/example.com/x", bytes: Array("no notes".utf8)),
        ]
        for file in hostile {
            #expect(throws: BuilderError.self, "\(file.path)") { try bake([file], lock) }
        }
    }

    @Test(arguments: ["file:///etc/passwd", "https://example.com", "https://a b/", "ftp://a/b", "https:///x", ""])
    func `a URL that is none of the web's has no place`(_ url: String) {
        #expect(throws: BuilderError.self) { try RemoteModules.path(of: url) }
    }

    @Test(arguments: ["../a@1.0.0", "a/../b@1.0.0", "@a@1.0.0", "@a/b/c@1.0.0", ".a@1.0.0", "a@../1", "a@x", "a"])
    func `a package of no proper name or version is refused`(_ key: String) throws {
        let lock = try DenoLock(#"{"version":"5","npm":{"\#(key)":{"integrity":"sha512-x"}}}"#)
        #expect(throws: BuilderError.self) { try lock.packages() }
    }

    @Test(arguments: ["", "[]", #"{"version":"4"}"#, "{", "null"])
    func `what is no lock is refused`(_ text: String) {
        #expect(throws: BuilderError.self) { try DenoLock(text) }
    }

    @Test(arguments: ["https://mirror/", "http://mirror:81/", "http://other/", "http://mirror/npm/"])
    func `a lock is kept with addresses that only this platform's registry can tell, and they do not tell locks apart`(
        _ registry: String
    ) throws {
        let npm = #","npm":{"a@1.0.0":{"integrity":"sha512-x","tarball":"http://mirror/a.tgz"}}"#
        let lock = try Self.lock(npm).located(in: registry)
        let baked = String(decoding: try lock.baked(), as: UTF8.self)
        #expect(baked.contains("http://mirror/a.tgz") == (registry == "http://mirror/npm/"))
        #expect(baked.contains("sha512-x"))
        let usual = try Self.lock(npm.replacing("a.tgz", with: "npm/a/-/a-1.0.0.tgz")).located(in: registry)
        let bakedUsual = String(decoding: try usual.baked(), as: UTF8.self)
        #expect(!bakedUsual.contains("mirror"))
        let plain = try Self.lock(#","npm":{"a@1.0.0":{"integrity":"sha512-x"}}"#)
        #expect(try lock.digest() == plain.digest())
    }

    @Test(arguments: [
        "gen/https/example.com/unknown.js", "../v8_code_cache_v2", "v8_code_cache_v1", "deno.lock",
        "npm/x/1.0.0/index.js",
        "dep_analysis_cache_v2-wal",
    ])
    func `a cache of nothing that is baked is refused`(_ path: String) {
        var layer = DependencyLayer()
        #expect(throws: BuilderError.self) { try layer.add(cache: path, [1]) }
    }

    @Test func `a message that is too long, makes no sense or sends too much is refused`() throws {
        func frame(_ json: String) -> [UInt8] {
            let bytes = Array(json.utf8)
            return withUnsafeBytes(of: UInt32(bytes.count).bigEndian) { Array($0) } + bytes
        }
        var settings = DependencySettings()
        settings.bytes = 1000
        let hostile: [[UInt8]] = [
            [0xff, 0xff, 0xff, 0xff], frame("{}"), frame("nonsense"), frame(#"{"connect":1,"host":"a","port":0}"#),
            frame(#"{"file":"a","size":-1}"#), frame(#"{"file":"a","size":3001}"#),
            frame(#"{"file":"a","size":9223372036854775807}"#), frame(#"{"problems":[]}"#),
        ]
        for bytes in hostile {
            var reader = ResolutionReader(settings)
            #expect(throws: BuilderError.self, "\(bytes)") { try reader.take(bytes) }
        }
    }

    @Test func `frames are read however they are cut`() throws {
        let json = Array(#"{"file":"a","size":3}"#.utf8)
        let end = Array(#"{"end":true}"#.utf8)
        let bytes = [0, 0, 0, UInt8(json.count)] + json + [1, 2, 3] + [0, 0, 0, UInt8(end.count)] + end
        for size in 1...bytes.count {
            var reader = ResolutionReader(DependencySettings())
            for start in stride(from: 0, to: bytes.count, by: size) {
                _ = try reader.take(Array(bytes[start..<min(start + size, bytes.count)]))
            }
            #expect(reader.isComplete && reader.resolution.files.map(\.bytes) == [[1, 2, 3]])
        }
    }

    @Test func `folders of packages are those of Deno's cache`() {
        #expect(DependencyLayer.folder(of: "express") == "express")
        #expect(DependencyLayer.folder(of: "@types/node") == "@types/node")
        #expect(DependencyLayer.folder(of: "JSONStream") == "_jjju6tstorzgkyln")
    }
}

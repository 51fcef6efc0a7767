import FoundationEssentials
import Testing

@testable import Kubernetes

@Suite struct ReflectionTests {
    /// What a table is told, and what it does then.
    struct Case: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var told: [Told]
        var steps: [Reflection<ConfigMap>.Step]
        var changes: [String] = []
    }

    enum Told: Sendable {
        case listed([String], String)
        case event(String)
        case failed(APIError.Code)
        case ended(Duration)
    }

    static let mark = event("BOOKMARK", "", 9, #","annotations":{"k8s.io/initial-events-end":"true"}"#)
    static let gone = #"{"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired"}}"#

    /// Each object that comes copied all that came before it: this took hours.
    @Test(.timeLimit(.minutes(1))) func `thousands of objects at the start cost no more each than a few`() {
        var reflection = Reflection<ConfigMap>()
        #expect(reflection.next(fraction: 0) == .watchAll)
        let count = 50_000
        for number in 0..<count { #expect(reflection.received(.added(ConfigMap("m\(number)"))).isEmpty) }
        #expect(reflection.received(.bookmark(version: "9", endsInitial: true)).count == count + 1)
    }

    @Test func `identities are told apart, however they are written`() {
        let uuid = ObjectUID("c56a4180-65aa-42ec-a945-5fd21dec0538")
        #expect(uuid == ObjectUID("c56a4180-65aa-42ec-a945-5fd21dec0538"))
        for other in [
            "c56a4180-65aa-42ec-a945-5fd21dec0539", "d56a4180-65aa-42ec-a945-5fd21dec0538",
            "C56A4180-65aa-42ec-a945-5fd21dec0538", "c56a4180-65aa-42ec-a945x5fd21dec0538", "", "x",
        ] {
            #expect(uuid != ObjectUID(other), "\(other)")
            #expect(ObjectUID(other) == ObjectUID(other))
        }
        #expect(ObjectUID("x") != ObjectUID("y"))
    }

    @Test(arguments: [
        Case(
            testDescription: "objects before the mark come as one",
            told: [.event(event("ADDED", "b", 2)), .event(event("ADDED", "a", 1)), .event(mark)],
            steps: [.watchAll], changes: ["+a", "+b", "synced"]),
        Case(
            testDescription: "what goes again before the mark was never there",
            told: [.event(event("ADDED", "a", 1)), .event(event("DELETED", "a", 2)), .event(mark)],
            steps: [.watchAll], changes: ["synced"]),
        Case(
            testDescription: "after the mark each event is a change",
            told: [
                .event(mark), .event(event("ADDED", "a", 10)), .event(event("MODIFIED", "a", 11)),
                .event(event("DELETED", "a", 12)), .ended(.seconds(300)),
            ], steps: [.watchAll, .watch(version: "12")], changes: ["synced", "+a", "~a", "-a"]),
        Case(
            testDescription: "a watch goes on where it ended, also at a bookmark",
            told: [.event(mark), .event(event("BOOKMARK", "", 20)), .ended(.seconds(300))],
            steps: [.watchAll, .watch(version: "20")], changes: ["synced"]),
        Case(
            testDescription: "what is told twice is no change",
            told: [
                .event(mark), .event(event("ADDED", "a", 10)), .ended(.seconds(300)), .event(event("ADDED", "a", 10)),
            ],
            steps: [.watchAll, .watch(version: "10")], changes: ["synced", "+a"]),
        Case(
            testDescription: "an object of the same name is another when its uid is",
            told: [.event(mark), .event(event("ADDED", "a", 10)), .event(event("ADDED", "a", 11, #","uid":"other""#))],
            steps: [.watchAll], changes: ["synced", "+a", "-a", "+a"]),
        Case(
            testDescription: "a version that is too old leads to all objects anew, at once",
            told: [
                .event(mark), .event(event("ADDED", "a", 10)), .event(gone), .event(event("ADDED", "b", 30)),
                .event(mark),
            ],
            steps: [.watchAll, .watchAll], changes: ["synced", "+a", "-a", "+b", "synced"]),
        Case(
            testDescription: "a version that is too old at the start of a watch leads to a pause first",
            told: [.event(mark), .ended(.seconds(60)), .event(gone)],
            steps: [.watchAll, .watch(version: "9"), .pause(.milliseconds(250)), .watchAll], changes: ["synced"]),
        Case(
            testDescription: "a request refused with 410 leads to all objects anew",
            told: [.event(mark), .ended(.seconds(60)), .failed(.expired)],
            steps: [.watchAll, .watch(version: "9"), .pause(.milliseconds(250)), .watchAll], changes: ["synced"]),
        Case(
            testDescription: "another error event leads to a pause and on where it was",
            told: [.event(mark), .event(#"{"type":"ERROR","object":{"kind":"Status","code":500}}"#)],
            steps: [.watchAll, .pause(.milliseconds(250)), .watch(version: "9")], changes: ["synced"]),
        Case(
            testDescription: "a server that forbids to begin with all objects is asked for a list, from then on",
            told: [.failed(.invalid), .listed(["a"], "5"), .event(gone), .listed(["a"], "7")],
            steps: [.watchAll, .list, .watch(version: "5"), .pause(.milliseconds(250)), .list, .watch(version: "7")],
            changes: ["+a", "synced", "synced"]),
        Case(
            testDescription: "a server that never sends the mark is asked for a list",
            told: [.event(event("ADDED", "a", 1)), .ended(.seconds(300)), .listed(["a"], "5")],
            steps: [.watchAll, .list, .watch(version: "5")], changes: ["+a", "synced"]),
        Case(
            testDescription: "pauses double while nothing works",
            told: [.failed(.unreachable), .failed(.unreachable), .failed(.failed)],
            steps: [
                .watchAll, .pause(.milliseconds(250)), .watchAll, .pause(.milliseconds(500)), .watchAll,
                .pause(.seconds(1)),
                .watchAll,
            ]),
        Case(
            testDescription: "a success ends the doubling",
            told: [
                .failed(.unreachable), .failed(.unreachable), .event(mark), .ended(.seconds(60)), .failed(.unreachable),
            ],
            steps: [
                .watchAll, .pause(.milliseconds(250)), .watchAll, .pause(.milliseconds(500)), .watchAll,
                .watch(version: "9"),
                .pause(.milliseconds(250)), .watch(version: "9"),
            ], changes: ["synced"]),
        Case(
            testDescription: "watches that end at once are begun with pauses",
            told: [.event(mark), .ended(.seconds(9)), .ended(.milliseconds(5)), .ended(.milliseconds(5))],
            steps: [
                .watchAll, .watch(version: "9"), .pause(.milliseconds(250)), .watch(version: "9"),
                .pause(.milliseconds(500)),
                .watch(version: "9"),
            ], changes: ["synced"]),
        Case(
            testDescription: "a watch in which nothing is heard for long may wait for a version that never comes",
            told: [.event(mark), .ended(.seconds(300)), .ended(.seconds(300))],
            steps: [.watchAll, .watch(version: "9"), .watchAll], changes: ["synced"]),
        Case(
            testDescription: "after an event that is not understood all objects are read anew",
            told: [.event(mark), .failed(.malformed)], steps: [.watchAll, .pause(.milliseconds(250)), .watchAll],
            changes: ["synced"]),
    ])
    func `a table follows what it is told`(case: Case) throws {
        var reflection = Reflection<ConfigMap>()
        var steps: [Reflection<ConfigMap>.Step] = []
        var changes: [String] = []
        var isBusy = false
        func begin() {
            while !isBusy {
                let step = reflection.next(fraction: 0)
                steps.append(step)
                if case .pause = step { continue }
                isBusy = true
            }
        }
        for told in `case`.told {
            begin()
            switch told {
            case .listed(let names, let version):
                let items = names.map { name in
                    var item = ConfigMap(name)
                    item.metadata.resourceVersion = "1"
                    return item
                }
                changes += reflection.listed(ObjectList(items: items, resourceVersion: version)).map(Self.name)
                isBusy = false
            case .event(let line):
                let event = try JSONDecoder().decode(WatchEvent<ConfigMap>.self, from: Data(line.utf8))
                changes += reflection.received(event).map(Self.name)
                if case .error = event { isBusy = false }
            case .failed(let code):
                reflection.failed(APIError(code, "Cannot."))
                isBusy = false
            case .ended(let duration):
                reflection.ended(after: duration)
                isBusy = false
            }
        }
        begin()
        #expect(steps == `case`.steps)
        #expect(changes == `case`.changes)
    }

    /// Recorded watches, and where they begin.
    @Test(arguments: [
        ("04b-watch-ends", 11), ("04c-bookmarks-and-slices", 4), ("04-watches", 4), ("04-watches", 6),
        ("02-crd-functions", 10),
        ("09-leases", 1),
    ])
    func `a recorded watch that is cut at any byte leads to the same table`(recording: String, exchange: Int) throws {
        let lines = try Recording(recording).lines(exchange)
        let versions = try lines.map { line in
            switch try JSONDecoder().decode(WatchEvent<Anything>.self, from: Data(line.utf8)) {
            case .added(let object), .modified(let object), .deleted(let object):
                Int(object.metadata.resourceVersion ?? "") ?? 0
            case .bookmark(let version, _): Int(version) ?? 0
            case .error: 0
            }
        }
        func follow(_ reflection: inout Reflection<Anything>, _ bytes: some Sequence<UInt8>) throws {
            var splitter = WatchLines(limit: 1 << 20)
            for line in try splitter.take(Array(bytes)) {
                _ = reflection.received(try JSONDecoder().decode(WatchEvent<Anything>.self, from: Data(line)))
            }
        }
        func started() -> Reflection<Anything> {
            var reflection = Reflection<Anything>()
            reflection.failed(APIError(.invalid, ""))
            _ = reflection.next(fraction: 0)
            _ = reflection.next(fraction: 0)
            _ = reflection.listed(ObjectList(items: [], resourceVersion: "1"))
            return reflection
        }
        let all = Array(lines.joined().utf8)
        var whole = started()
        try follow(&whole, all)
        let expected = whole.table.objects.mapValues(\.metadata.resourceVersion)

        // Long recordings are cut at every 97th byte, and at each byte around the ends of lines.
        var ends: Set<Int> = [0]
        var position = 0
        for line in lines {
            position += line.utf8.count
            ends.formUnion((position - 2)...(position + 2))
        }
        for cut in 0...all.count where all.count < 6000 || cut % 97 == 0 || ends.contains(cut) {
            var reflection = started()
            try follow(&reflection, all[..<cut])
            reflection.ended(after: .seconds(5))
            let from = Int(reflection.version ?? "") ?? 0
            let rest = zip(lines, versions).filter { $0.1 > from }.map(\.0).joined()
            try follow(&reflection, rest.utf8)
            #expect(reflection.table.objects.mapValues(\.metadata.resourceVersion) == expected, "cut at \(cut)")
        }
    }

    @Test(arguments: [("04c-bookmarks-and-slices", 3), ("04-watches", 8)])
    func `a watch that is cut before it has told all there is shows nothing of it`(recording: String, exchange: Int)
        throws
    {
        let lines = try Recording(recording).lines(exchange)
        let mark = try #require(lines.firstIndex { $0.contains("initial-events-end") })
        for cut in 0...mark {
            var reflection = Reflection<Anything>()
            #expect(reflection.next(fraction: 0) == .watchAll)
            for line in lines[..<cut] {
                let event = try JSONDecoder().decode(WatchEvent<Anything>.self, from: Data(line.utf8))
                #expect(reflection.received(event).isEmpty)
            }
            reflection.ended(after: .seconds(5))
            #expect(reflection.next(fraction: 0) == .list)
            #expect(reflection.table.objects.isEmpty)
        }
        var reflection = Reflection<Anything>()
        _ = reflection.next(fraction: 0)
        let all = try lines[...mark].flatMap { line in
            reflection.received(try JSONDecoder().decode(WatchEvent<Anything>.self, from: Data(line.utf8)))
        }
        #expect(all.count == reflection.table.objects.count + 1)
    }

    @Test func `lines are found however the bytes are cut, and one beyond the limit is refused`() throws {
        let text = Array("one\ntwo\n\nthree\nfour".utf8)
        for size in 1...text.count {
            var splitter = WatchLines(limit: 5)
            var lines: [String] = []
            for start in stride(from: 0, to: text.count, by: size) {
                lines += try splitter.take(Array(text[start..<min(start + size, text.count)])).map {
                    String(decoding: $0, as: UTF8.self)
                }
            }
            #expect(lines == ["one", "two", "three"])
        }
        var splitter = WatchLines(limit: 4)
        #expect(throws: APIError.self) { try splitter.take(Array("three\n".utf8)) }
        splitter = WatchLines(limit: 4)
        _ = try splitter.take(Array("fou".utf8))
        #expect(throws: APIError.self) { try splitter.take(Array("rs".utf8)) }
    }

    static func event(_ type: String, _ name: String, _ version: Int, _ more: String = "") -> String {
        let key = name.isEmpty ? "" : #""name":"\#(name)","namespace":"functions","#
        return
            #"{"type":"\#(type)","object":{"kind":"ConfigMap","metadata":{\#(key)"resourceVersion":"\#(version)"\#(more)}}}"#
    }

    static func name(_ change: TableChange<ConfigMap>) -> String {
        switch change {
        case .added(let object): "+\(object.key.name)"
        case .changed(_, let object): "~\(object.key.name)"
        case .removed(let object): "-\(object.key.name)"
        case .synced: "synced"
        }
    }
}

/// An object of any kind, of which only the metadata matter.
struct Anything: KubernetesObject {
    static let resource = ConfigMap.resource
    var metadata: ObjectMeta
}

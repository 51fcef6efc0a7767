import Contract
import Foundation
import Synchronization
import Testing

@testable import Deployer

extension LocalContainerTests {
    /// Looks at the sandbox from inside, with code that Deno itself allows everything.
    @Suite struct SandboxTests {
        @Test func `an instance has no privilege, sees nothing of the host and cannot get more`() async throws {
            try await withLocalFixture { fixture in
                let backend = try await fixture.backend()
                try await backend.adopt([])
                let workload = try fixture.workload(TestImages.probe) { $0.network = .internet }
                try await backend.rollOut(workload)
                let id = workload.id

                let status = try await fixture.inside(id, "return Deno.readTextFileSync('/proc/self/status')")
                func field(_ name: String) -> [Substring] {
                    let line = status.split(separator: "\n").first { $0.hasPrefix(name + ":") } ?? ""
                    return Array(line.split(separator: "\t").dropFirst())
                }
                let user = Substring(String(fixture.configuration.firstUserID))
                #expect(field("Uid") == [user, user, user, user])
                #expect(field("Gid") == [user, user, user, user])
                #expect(field("Groups").allSatisfy { $0.allSatisfy(\.isWhitespace) })
                for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
                    #expect(field(set) == ["0000000000000000"], "\(set)")
                }
                #expect(field("NoNewPrivs") == ["1"])
                #expect(field("Seccomp") == ["2"])
                #expect(field("NSpid") == ["1"])

                for namespace in ["cgroup", "ipc", "mnt", "net", "pid", "uts"] {
                    let inside = try await fixture.inside(id, "return Deno.readLinkSync('/proc/self/ns/\(namespace)')")
                    let outside = try FileManager.default.destinationOfSymbolicLink(
                        atPath: "/proc/self/ns/\(namespace)")
                    #expect(inside.hasPrefix("\(namespace):") && inside != outside, "\(namespace): \(inside)")
                }
                #expect(try await fixture.inside(id, "return Deno.hostname()") == "probe")
                #expect(
                    try await fixture.inside(
                        id, "return [...Deno.readDirSync('/proc')].filter(e => /^\\d+$/.test(e.name)).length") == "1")
            }
        }

        /// Each must fail, with a reason that holds the given text.
        private static let attempts = [
            ("Deno.writeTextFileSync('/app/main.js', 'x')", "os error"),
            ("Deno.writeTextFileSync('/x', 'x')", "Read-only"),
            ("Deno.writeTextFileSync('/etc/hosts', 'x')", "os error"),
            ("Deno.writeTextFileSync('/etc/resolv.conf', 'x')", "os error"),
            ("Deno.mkdirSync('/usr/x')", "Read-only"),
            ("Deno.removeSync('/usr/bin/deno')", "Read-only"),
            ("Deno.writeTextFileSync('/dev/x', 'x')", "Permission denied"),
            ("Deno.writeTextFileSync('/proc/sys/kernel/hostname', 'x')", "os error"),
            ("Deno.writeTextFileSync('/proc/sysrq-trigger', 'b')", "os error"),
            ("Deno.writeTextFileSync('/proc/self/oom_score_adj', '-1000')", "Permission denied"),
            ("if (!Deno.openSync('/proc/kcore').readSync(new Uint8Array(64))) throw 'nothing there'", "o such file"),
            ("if (!Deno.readTextFileSync('/proc/kallsyms').length) throw 'nothing there'", "nothing there"),
            ("if (Deno.readDirSync('/sys')[Symbol.iterator]().next().done) throw 'nothing there'", "nothing there"),
            ("Deno.readTextFileSync('/etc/shadow')", "No such file"),
            ("Deno.readDirSync('/root')[Symbol.iterator]().next()", "No such file"),
            ("Deno.openSync('/dev/mem')", "No such file"),
            ("Deno.openSync('/dev/kmsg')", "No such file"),
            ("Deno.openSync('/dev/vda')", "No such file"),
            ("Deno.openSync('/dev/fuse')", "No such file"),
            ("Deno.chownSync('/tmp', 0, 0)", "not permitted"),
            ("Deno.kill(2, 'SIGKILL')", "No such process"),
            ("new Deno.Command('/bin/sh').outputSync()", "No such file"),
            (
                "Deno.writeTextFileSync('/tmp/x', '#!/usr/bin/deno\\n'); Deno.chmodSync('/tmp/x', 0o755); "
                    + "new Deno.Command('/tmp/x').outputSync()", "ermission denied"
            ),
        ]

        @Test func `attempts to change or to see what is not the function's fail`() async throws {
            try await withProbe { inside in
                for (attempt, reason) in Self.attempts {
                    let answer = try await inside("\(attempt); return 'it worked'")
                    #expect(answer.hasPrefix("error: ") && answer.contains(reason), "\(attempt): \(answer)")
                }
            }
        }

        /// Numbers of x86-64 with arguments; a control that works is the first.
        private static let calls = [
            ("getppid", "110"), ("unshare(NEWUSER)", "272, 0x10000000"), ("unshare(NEWNS)", "272, 0x20000"),
            ("setns", "308, 0, 0"), ("clone(NEWUSER)", "56, 0x10000011"), ("clone3", "435"), ("mount", "165"),
            ("umount2", "166"),
            ("pivot_root", "155"), ("chroot", "161"), ("ptrace(TRACEME)", "101, 0"), ("process_vm_readv", "310"),
            ("bpf", "321"),
            ("perf_event_open", "298"), ("userfaultfd", "323, 1"), ("io_uring_setup", "425, 1"),
            ("keyctl", "250, 0, -3, 1"),
            ("add_key", "248"), ("request_key", "249"), ("kexec_load", "246"), ("init_module", "175"),
            ("finit_module", "313"),
            ("delete_module", "176"), ("reboot", "169"), ("swapon", "167"), ("acct", "163"), ("quotactl", "179"),
            ("settimeofday", "164"), ("clock_settime", "227"), ("adjtimex", "159"), ("sethostname", "170"),
            ("syslog", "103, 10"),
            ("open_by_handle_at", "304"), ("name_to_handle_at", "303"), ("fanotify_init", "300"), ("fsopen", "430"),
            ("move_mount", "429"), ("open_tree", "428"), ("mount_setattr", "442"), ("pidfd_getfd", "438"),
            ("kcmp", "312"),
            ("shmget", "29, 0, 4096, 0o1600"), ("semget", "64, 0, 1, 0o1600"), ("msgget", "68, 0, 0o1600"),
            ("mq_open", "240"),
            ("personality(ADDR_NO_RANDOMIZE)", "135, 0x40000"), ("modify_ldt", "154"), ("iopl", "172, 3"),
            ("ioperm", "173"),
            ("socket(PACKET)", "41, 17, 3, 0"), ("socket(VSOCK)", "41, 40, 1, 0"), ("socket(ALG)", "41, 38, 5, 0"),
            ("socket(NETLINK, NETFILTER)", "41, 16, 3, 12"), ("socket(INET, RAW)", "41, 2, 3, 1"),
            ("seccomp", "317, 0"),
            ("setuid(0)", "105, 0"), ("setgid(0)", "106, 0"), ("capset", "126"), ("mknod", "133, 0, 0o20600, 0x103"),
        ]

        #if arch(x86_64)
            @Test func `system calls that a function has no use for are refused`() async throws {
                try await withProbe { inside in
                    for (name, arguments) in Self.calls {
                        let answer = try await inside(
                            """
                            const { symbols } = Deno.dlopen("libc.so.6", {
                              syscall: { parameters: ["i64", "i64", "i64", "i64", "i64"], result: "i64" },
                            });
                            const list = [\(arguments)];
                            while (list.length < 5) list.push(0);
                            return String(symbols.syscall(...list.map((value) => BigInt(value))));
                            """)
                        #expect(answer == (name == "getppid" ? "0" : "-1"), "\(name): \(answer)")
                    }
                }
            }
        #endif

        @Test func `the file systems an instance can write to are small, and nothing in them can be run`() async throws
        {
            try await withLocalFixture({ $0.temporaryBytes = 8 << 20 }) { fixture in
                let backend = try await fixture.backend()
                try await backend.adopt([])
                let workload = try fixture.workload(TestImages.probe)
                try await backend.rollOut(workload)
                let id = workload.id
                let mounts = try await fixture.inside(id, "return Deno.readTextFileSync('/proc/self/mounts')")
                for line in mounts.split(separator: "\n") {
                    let fields = line.split(separator: " ")
                    let options = fields[3].split(separator: ",")
                    if options.contains("rw") {
                        #expect(options.contains("noexec") && options.contains("nosuid"), "\(line)")
                    }
                    #expect(!line.contains(fixture.configuration.stateDirectory) || fields[1] == "/", "\(line)")
                }
                #expect(
                    mounts.split(separator: "\n").first { $0.split(separator: " ")[1] == "/" }?.contains(" ro,") == true
                )

                let fill = """
                    const block = new Uint8Array(1 << 20);
                    let written = 0;
                    try { for (;;) { Deno.writeFileSync(`DIRECTORY/fill-${written}`, block); written += block.length; } }
                    catch (error) { return `${written} ${error.name} ${error.message}`; }
                    """
                let temporary = try await fixture.inside(id, fill.replacingOccurrences(of: "DIRECTORY", with: "/tmp"))
                #expect(temporary.contains("No space left"), "\(temporary)")
                #expect((temporary.split(separator: " ").first.flatMap { Int($0) } ?? 0) <= 8 << 20)
                let sockets = try await fixture.inside(
                    id, fill.replacingOccurrences(of: "DIRECTORY", with: "/run/kiln"))
                #expect(sockets.hasPrefix("0 "), "\(sockets)")
                let entries = try await fixture.inside(
                    id,
                    """
                    let made = 0;
                    try { for (; made < 100; made++) Deno.writeFileSync(`/run/kiln/e${made}`, new Uint8Array(0)); } catch {}
                    return made;
                    """)
                #expect((Int(entries) ?? 100) < 20)
            }
        }

        @Test func `what Deno offers works inside: workers, WASM, files in tmp, timers, crypto, child processes`()
            async throws
        {
            let answer = try await withProbe {
                try await $0(
                    """
                    const worker = new Worker(URL.createObjectURL(new Blob(["onmessage = (e) => postMessage(e.data * 2)"])), { type: "module" });
                    const doubled = await new Promise((resolve) => { worker.onmessage = (e) => resolve(e.data); worker.postMessage(21); });
                    worker.terminate();
                    const wasm = new WebAssembly.Module(new Uint8Array([0,97,115,109,1,0,0,0,1,7,1,96,2,127,127,1,127,3,2,1,0,7,7,1,3,97,100,100,0,0,10,9,1,7,0,32,0,32,1,106,11]));
                    const sum = new WebAssembly.Instance(wasm).exports.add(40, 2);
                    await Deno.writeTextFile("/tmp/a", "a"); await Deno.rename("/tmp/a", "/tmp/b");
                    const text = await Deno.readTextFile("/tmp/b");
                    const hash = await crypto.subtle.digest("SHA-256", new Uint8Array(3));
                    const child = await new Deno.Command("/usr/bin/deno", { args: ["--version"] }).output();
                    const watcher = Deno.watchFs("/tmp"); watcher.close();
                    localStorage.setItem("k", "v");
                    const { gzipSync } = await import("node:zlib"); const { hostname } = await import("node:os");
                    return [doubled, sum, text, hash.byteLength, child.success, gzipSync("x").length > 0, hostname(), Deno.memoryUsage().rss > 0].join();
                    """)
            }
            #expect(answer == "42,42,a,32,true,true,probe,true")
        }

        @Test func `secrets reach the environment and no other place`() async throws {
            try await withLocalFixture { fixture in
                fixture.secrets.set("TOKEN", "very-secret-value")
                let seen = Mutex<(text: String, mode: Int)>(("", 0))
                let backend = try await fixture.backend { step in
                    guard step == .bundled, let id = fixture.instances.first else { return }
                    let paths = InstancePaths(instances: fixture.configuration.instances, id: id)
                    seen.withLock {
                        $0 = (DiskFile.text(paths.configuration) ?? "", (try? mode(paths.configuration)) ?? 0)
                    }
                }
                try await backend.adopt([])
                let workload = try fixture.workload(TestImages.probe) {
                    $0.secrets = ["TOKEN"]
                    $0.environment = ["GREETING": "hi", "TOKEN": "from the spec"]
                }
                try await backend.rollOut(workload)
                #expect(
                    try await fixture.inside(
                        workload.id,
                        "return ['TOKEN', 'GREETING', 'DENO_SERVE_ADDRESS', 'HOME'].map(n => Deno.env.get(n)).join()")
                        == "very-secret-value,hi,unix:/run/kiln/http.sock,/tmp")
                for process in DiskFile.names(in: "/proc") where Int(process) != nil {
                    #expect(DiskFile.text("/proc/\(process)/cmdline")?.contains("very-secret-value") != true)
                }
                // The runtime reads them from a file, which is there only while the container is created.
                #expect(seen.withLock { $0.text.contains("very-secret-value") && $0.mode == 0o600 })
                let id = try #require(fixture.instances.first)
                let paths = InstancePaths(instances: fixture.configuration.instances, id: id)
                #expect(try mode(paths.directory) == 0o700)
                let files = try #require(FileManager.default.enumerator(atPath: fixture.configuration.instances))
                for case let file as String in files
                where files.fileAttributes?[.type] as? FileAttributeType == .typeRegular {
                    let text = DiskFile.text("\(fixture.configuration.instances)/\(file)") ?? ""
                    #expect(!text.contains("very-secret-value"), "\(file)")
                }
            }
        }

        @Test func `an instance gets no descriptor of the platform's`() async throws {
            let list = try await withProbe {
                try await $0(
                    """
                    const list = [];
                    for (const { name } of Deno.readDirSync("/proc/self/fd")) {
                      try { list.push(Deno.readLinkSync(`/proc/self/fd/${name}`)); } catch {}
                    }
                    return list.join("\\n");
                    """)
            }
            for link in list.split(separator: "\n") {
                let known = [
                    "pipe:", "socket:", "anon_inode:", "/dev/", "/proc/", "/app/", "/tmp/", "/memfd:", "/usr/bin/deno",
                ]
                #expect(known.contains(where: link.hasPrefix), "\(link)")
            }
            // Standard output and error, and the pipes of Deno's own loop and workers.
            #expect(list.split(separator: "\n").filter { $0.hasPrefix("pipe:") }.count <= 8, "\(list)")
        }

        private func mode(_ path: String) throws -> Int {
            let attributes = try FileManager.default.attributesOfItem(atPath: path)
            return (attributes[.posixPermissions] as? Int) ?? -1
        }
    }
}

/// Runs `body` with an instance that runs the code it is given.
private func withProbe<Result: Sendable>(
    _ body: (_ inside: (String) async throws -> String) async throws -> Result
) async throws -> Result {
    var result: Result?
    try await withLocalFixture { fixture in
        let backend = try await fixture.backend()
        try await backend.adopt([])
        let workload = try fixture.workload(TestImages.probe) { $0.memoryBytes = 512 << 20 }
        try await backend.rollOut(workload)
        result = try await body { try await fixture.inside(workload.id, $0) }
    }
    return try #require(result)
}

import Glibc

/// IPv4 forwarding of the host, without which instances reach nothing.
///
/// Where it was off, turning it on would make the host a router between its own networks. So the devices of that moment are written
/// down, and the firewall keeps them apart. Devices that come later (a container engine's bridges) belong to someone who wants
/// forwarding, and are left alone. The note is in `/run`: a reboot forgets it together with the setting, and all
/// installations of the machine share it.
enum Forwarding {
    private static let setting = "/proc/sys/net/ipv4/ip_forward"
    private static let note = "/run/kiln-forwarding"
    private static let lock = "/run/kiln-forwarding.lock"

    /// Runs `body` while no other Kiln of the machine turns forwarding on or off, or makes or removes its table.
    static func exclusively(_ body: () async throws(DeployerError) -> Void) async throws(DeployerError) {
        let descriptor = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw .system("open \(lock)", code: .network) }
        defer { close(descriptor) }
        while flock(descriptor, LOCK_EX | LOCK_NB) != 0 {
            guard errno == EWOULDBLOCK || errno == EINTR else { throw .system("lock \(lock)", code: .network) }
            try? await Task.sleep(for: .milliseconds(5))
        }
        try await body()
    }

    /// Turns forwarding on; returns the devices between which nothing may be forwarded.
    static func enable() throws(DeployerError) -> [String] {
        if DiskFile.text(setting)?.first == "1" { return noted() }
        let devices = DiskFile.names(in: "/sys/class/net").filter { $0 != "lo" && !$0.hasPrefix("kiln") }
        try DiskFile.write(devices.joined(separator: "\n").utf8, to: note, mode: 0o644)
        try DiskFile.set(setting, to: "1")
        return noted()
    }

    /// Turns forwarding off again when Kiln turned it on; to be called when no installation's table is left.
    static func restore() {
        guard DiskFile.exists(note) else { return }
        try? DiskFile.set(setting, to: "0")
        unlink(note)
    }

    private static func noted() -> [String] {
        // A device name cannot hold a quote or anything else that nft would take for more than a name: kept so here as well.
        (DiskFile.text(note) ?? "").split(separator: "\n").map(String.init).filter { name in
            name.utf8.count <= 15 && name.utf8.allSatisfy { $0 > 32 && $0 < 127 && $0 != 34 && $0 != 42 && $0 != 92 }
        }
    }
}

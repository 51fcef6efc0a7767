import Contract
import Glibc
import NIOCore

/// What the host's routing table says, from `/proc/net/route` (addresses in hexadecimal, host byte order swapped).
struct HostRoutes: Sendable {
    /// The destinations of all routes but the default ones.
    let destinations: [IPv4Range]
    /// The device of the default route with the lowest metric.
    let uplink: String?

    /// Reads the text of `/proc/net/route`.
    init(_ table: String) {
        var destinations: [IPv4Range] = []
        var best: (metric: Int, device: String)?
        for line in table.split(separator: "\n").dropFirst() {
            let fields = line.split(whereSeparator: { $0 == "\t" || $0 == " " })
            guard fields.count >= 8, let destination = UInt32(fields[1], radix: 16),
                let mask = UInt32(fields[7], radix: 16),
                let metric = Int(fields[6])
            else { continue }
            if mask == 0 {
                if best.map({ metric < $0.metric }) ?? true { best = (metric, String(fields[0])) }
            } else {
                destinations.append(
                    IPv4Range(base: destination.byteSwapped, prefixLength: mask.nonzeroBitCount))
            }
        }
        self.destinations = destinations
        uplink = best?.device
    }

    /// The largest packet of the uplink, so that instances send none that have to be split; 1500 when it cannot be told.
    var uplinkMTU: Int {
        guard let uplink, let text = DiskFile.text("/sys/class/net/\(uplink)/mtu"),
            let value = Int(text.filter { !$0.isWhitespace })
        else { return 1500 }
        return min(max(value, 576), 9000)
    }

    /// The host's table as it is now.
    static func current() -> HostRoutes { HostRoutes(DiskFile.text("/proc/net/route") ?? "") }

    /// The host's own addresses; those of another Kiln's name server are in no routing table but the kernel's local one.
    static func ownAddresses() -> [IPv4Range] {
        let devices = (try? System.enumerateDevices()) ?? []
        return devices.compactMap { $0.address?.ipAddress.flatMap { IPv4Range($0) } }
    }
}

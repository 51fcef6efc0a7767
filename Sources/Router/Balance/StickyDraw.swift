import Contract

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Draws the revision of a client by what it says of itself: the same for the same words, on every Router and after every restart, and as the
/// shares say over many clients.
///
/// Weighted rendezvous hashing (Schindelhauer and Schomaker 2005): each revision has a number for a client, exponentially distributed
/// with its weight as the rate, and the least one wins. When shares change, a client moves only to a revision whose share has grown, or from
/// one whose share has shrunk.
struct StickyDraw: Sendable {
    /// Where the client says who it is.
    enum Source: Hashable, Sendable {
        /// In the cookie of this name.
        case cookie(String)
        /// In the field of this name, in lower case.
        case header(String)
    }

    let source: Source
    /// So that a client which one function counts among the few is not among the few of every function.
    private let seed: UInt64

    /// What `stickiness` means for `function`.
    init(_ stickiness: Stickiness, of function: FunctionName) {
        source =
            switch stickiness {
            case .cookie: .cookie("kiln-\(function)")
            case .header(let name): .header(name)
            }
        seed = Self.hash(Array(function.value.utf8), 0xcbf2_9ce4_8422_2325)
    }

    /// The revision among `shares` of the client that says `words`; `nil` when none has a weight.
    func revision(of words: some Sequence<UInt8>, among shares: some Sequence<(revision: Int, weight: Int)>) -> Int? {
        let client = Self.hash(words, seed)
        var best: (revision: Int, time: Double)?
        for share in shares where share.weight > 0 {
            let mixed = Self.mix(client ^ Self.mix(UInt64(truncatingIfNeeded: share.revision)))
            // Between 0 and 1, neither of them.
            let uniform = (Double(mixed >> 11) + 0.5) / 9_007_199_254_740_992
            let time = -log(uniform) / Double(share.weight)
            if best.map({ time < $0.time }) ?? true { best = (share.revision, time) }
        }
        return best?.revision
    }

    /// FNV-1a, because Swift's own hashes differ from process to process.
    private static func hash(_ bytes: some Sequence<UInt8>, _ start: UInt64) -> UInt64 {
        bytes.reduce(start) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
    }

    /// The finalizer of SplitMix64 (Steele, Lea and Flood 2014).
    private static func mix(_ value: UInt64) -> UInt64 {
        var mixed = value &+ 0x9e37_79b9_7f4a_7c15
        mixed = (mixed ^ mixed >> 30) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ mixed >> 27) &* 0x94d0_49bb_1331_11eb
        return mixed ^ mixed >> 31
    }
}

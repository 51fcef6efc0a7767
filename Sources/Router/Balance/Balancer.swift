/// Chooses one of several endpoints: the less loaded of two drawn at random (Mitzenmacher 2001), which comes close to
/// the least loaded of all without all loops running to the same one.
enum Balancer {
    /// The index of the endpoint to try, or `nil` when none may take a request.
    ///
    /// - Parameters:
    ///   - count: How many there are.
    ///   - load: The requests that one has; `nil` when it may not take another.
    ///   - draw: A random number below its argument.
    @inline(__always)
    static func choose(_ count: Int, load: (Int) -> Int?, draw: (Int) -> Int) -> Int? {
        switch count {
        case 0: return nil
        case 1: return load(0) == nil ? nil : 0
        default: break
        }
        let first = draw(count)
        let other = draw(count - 1)
        let second = other < first ? other : other + 1
        switch (load(first), load(second)) {
        case (let left?, let right?): return right < left ? second : first
        case (.some, nil): return first
        case (nil, .some): return second
        case (nil, nil): break
        }
        var best: (index: Int, load: Int)?
        for index in 0..<count {
            guard let load = load(index) else { continue }
            if let found = best, found.load <= load { continue }
            best = (index, load)
        }
        return best?.index
    }
}

import Contract

extension [FunctionRoute.Target] {
    /// Whether these, which share the traffic of a function, are what `check` asks for.
    func isRouted(as check: RouteCheck) -> Bool {
        guard let shares = check.shares else { return map(\.revision) == [check.live].compactMap(\.self) }
        return count == shares.count
            && allSatisfy { target in
                shares.contains { $0.revision == target.revision && $0.percent == target.weight }
            }
    }
}

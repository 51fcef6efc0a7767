import Contract
import Telemetry

extension Reconciler {
    /// The Deployer's metrics: what it has counted, and what it knows now.
    func metricFamilies() async -> [MetricFamily] {
        let names = serving.keys.sorted { $0.value < $1.value }
        var families = metrics.families(functions: names)
        families.append(await instances(names))
        let checker = await backend.status(of: .checker)
        families += [
            MetricFamily(
                "kiln_functions", .gauge, "Functions that have a live or a pinned revision.", value: Double(names.count)
            ),
            MetricFamily(
                "kiln_checkers_ready", .gauge, "Checkers that accept sources.", value: Double(checker?.ready ?? 0)),
            MetricFamily(
                "kiln_retirements", .gauge, "Revisions that no longer serve and are draining or being stopped.",
                value: Double(retirements.count)),
            MetricFamily(
                "kiln_routers", .gauge, "Routers that follow the route table.", value: Double(await hub.connected)),
        ]
        families.append(
            MetricFamily(
                "kiln_parked_revisions", .gauge,
                "Live and pinned revisions that have no instance until the next request.",
                value: Double(parked.count)))
        var memory = MetricFamily(
            "kiln_memory_bytes", .gauge,
            "Memory of all instances of functions together: what counts against --memory-budget.")
        var limit = MetricFamily(
            "kiln_memory_limit_bytes", .gauge,
            "Memory that all instances of functions may use together (--memory-budget).")
        if let usage = await backend.memory() {
            memory.add(usage.used)
            limit.add(usage.limit)
        }
        families += [memory, limit]
        return families
    }

    /// Instances by function and state, of live and pinned revisions together.
    private func instances(_ names: [FunctionName]) async -> MetricFamily {
        var family = MetricFamily(
            "kiln_instances", .gauge,
            "Instances of a function: ready (accept requests) and desired (should), of live and pinned revisions together."
        )
        var others = (ready: 0, desired: 0)
        for (index, name) in names.enumerated() {
            guard let record = serving[name] else { continue }
            var sum = (ready: 0, desired: 0)
            for revision in record.revisions {
                guard let status = await backend.status(of: .revision(revision.id)) else { continue }
                sum.ready += status.ready
                sum.desired += status.desired
            }
            guard index < metrics.limit else {
                others.ready += sum.ready
                others.desired += sum.desired
                continue
            }
            family.add(sum.ready, .init("function", name.value), .init("state", "ready"))
            family.add(sum.desired, .init("function", name.value), .init("state", "desired"))
        }
        if names.count > metrics.limit {
            family.add(others.ready, .init("function", DeployerMetrics.others), .init("state", "ready"))
            family.add(others.desired, .init("function", DeployerMetrics.others), .init("state", "desired"))
        }
        return family
    }
}

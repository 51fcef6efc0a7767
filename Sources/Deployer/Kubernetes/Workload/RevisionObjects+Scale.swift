import Contract
import Kubernetes

extension RevisionObjects {
    /// Between the function's minimum and maximum, by the CPU time that Pods use on average.
    ///
    /// The target is a number of millicores, not a share of the request: what the scheduler sets aside is the operator's affair and
    /// must not change when a function grows. The pace is the one that functions have on one machine.
    static func scaling(
        of spec: FunctionSpec, deployment: String, _ settings: WorkloadSettings
    ) -> HorizontalPodAutoscaler.Spec {
        let target = max(1, Int64(Double(spec.cpuMillicores) * settings.cpuTargetShare))
        return HorizontalPodAutoscaler.Spec(
            scaleTargetRef: .init(apiVersion: Deployment.resource.apiVersion, kind: "Deployment", name: deployment),
            minReplicas: spec.minimumInstances, maxReplicas: spec.maximumInstances,
            metrics: [
                .init(
                    type: "Resource",
                    resource: .init(name: "cpu", target: .init(type: "AverageValue", averageValue: millicores(target))))
            ],
            behavior: .init(
                scaleUp: .init(
                    stabilizationWindowSeconds: 0,
                    policies: [
                        .init(type: "Pods", value: 4, periodSeconds: 15),
                        .init(type: "Percent", value: 100, periodSeconds: 15),
                    ]),
                scaleDown: .init(
                    stabilizationWindowSeconds: 60, policies: [.init(type: "Percent", value: 100, periodSeconds: 15)])))
    }

    /// How many Pods a revision has at first.
    package static func firstReplicas(_ spec: FunctionSpec) -> Int { spec.minimumInstances }
}

import Kubernetes

/// What Pods are made of, as far as Kiln sets it.
package struct PodTemplate: Codable, Sendable, Hashable {
    /// Labels and annotations of the Pods.
    package var metadata: ObjectMeta
    /// What they run.
    package var spec: PodSpec
}

/// What a Pod runs.
package struct PodSpec: Codable, Sendable, Hashable {
    /// The containers.
    package var containers: [Container]
    /// Their volumes.
    package var volumes: [Volume]?
    /// What holds for all containers.
    package var securityContext: PodSecurity?
    /// Whether the service account's token is mounted.
    package var automountServiceAccountToken: Bool?
    /// Whether the addresses of all Services are put into the environment.
    package var enableServiceLinks: Bool?
    /// From SIGTERM to SIGKILL, in seconds.
    package var terminationGracePeriodSeconds: Int?
    /// Secrets with the registry's credentials.
    package var imagePullSecrets: [LocalReference]?
    /// How Pods are spread over nodes.
    package var topologySpreadConstraints: [TopologySpread]?
}

/// A container.
package struct Container: Codable, Sendable, Hashable {
    /// A port that it listens on.
    package struct Port: Codable, Sendable, Hashable {
        /// Its name.
        package var name: String
        /// The number.
        package var containerPort: Int
        /// `TCP`. Written out, because it is a part of what identifies the port.
        package var `protocol` = "TCP"
    }

    /// An environment variable.
    package struct Variable: Codable, Sendable, Hashable {
        /// Its name.
        package var name: String
        /// Its value.
        package var value: String?
        /// Where its value comes from.
        package var valueFrom: Source?
    }

    /// Where a value comes from.
    package struct Source: Codable, Sendable, Hashable {
        /// A key of a Secret.
        package struct Key: Codable, Sendable, Hashable {
            /// The Secret.
            package var name: String
            /// The key in it.
            package var key: String
        }
        /// A key of a Secret.
        package var secretKeyRef: Key?
    }

    /// What it may use.
    package struct Resources: Codable, Sendable, Hashable {
        /// What the scheduler sets aside.
        package var requests: [String: String]?
        /// What it cannot exceed.
        package var limits: [String: String]?
    }

    /// Where a volume appears.
    package struct Mount: Codable, Sendable, Hashable {
        /// The volume.
        package var name: String
        /// The path.
        package var mountPath: String
    }

    /// Its name.
    package var name: String
    /// Its image.
    package var image: String
    /// Its ports.
    package var ports: [Port]?
    /// Its environment.
    package var env: [Variable]?
    /// What it may use.
    package var resources: Resources?
    /// When it is sent requests.
    package var readinessProbe: Probe?
    /// What it may do.
    package var securityContext: ContainerSecurity?
    /// Its volumes.
    package var volumeMounts: [Mount]?
}

/// A question that is asked again and again.
package struct Probe: Codable, Sendable, Hashable {
    /// An HTTP request; a status from 200 to 399 is a yes.
    package struct HTTP: Codable, Sendable, Hashable {
        /// The path.
        package var path: String
        /// The port's name.
        package var port: String
    }
    /// A connection; one that is accepted is a yes.
    package struct TCP: Codable, Sendable, Hashable {
        /// The port's name.
        package var port: String
    }
    /// An HTTP request.
    package var httpGet: HTTP?
    /// A connection.
    package var tcpSocket: TCP?
    /// How often it is asked, in seconds.
    package var periodSeconds: Int?
    /// How long an answer may take, in seconds.
    package var timeoutSeconds: Int?
    /// After how many answers in a row it is a no.
    package var failureThreshold: Int?
}

/// What holds for all containers of a Pod.
package struct PodSecurity: Codable, Sendable, Hashable {
    /// A filter of system calls.
    package struct Seccomp: Codable, Sendable, Hashable {
        /// `RuntimeDefault`.
        package var type: String
    }
    /// Whether root is refused.
    package var runAsNonRoot: Bool?
    /// The user's number.
    package var runAsUser: Int?
    /// The group's number.
    package var runAsGroup: Int?
    /// The filter of system calls.
    package var seccompProfile: Seccomp?
}

/// What a container may do.
package struct ContainerSecurity: Codable, Sendable, Hashable {
    /// Linux capabilities.
    package struct Capabilities: Codable, Sendable, Hashable {
        /// Those it loses.
        package var drop: [String]
    }
    /// Whether a program may gain privileges.
    package var allowPrivilegeEscalation: Bool?
    /// Whether the image's files cannot be changed.
    package var readOnlyRootFilesystem: Bool?
    /// Its capabilities.
    package var capabilities: Capabilities?
}

/// A volume.
package struct Volume: Codable, Sendable, Hashable {
    /// A directory that lives as long as the Pod.
    package struct EmptyDirectory: Codable, Sendable, Hashable {
        /// `Memory`, or the node's disk.
        package var medium: String?
        /// The most it holds.
        package var sizeLimit: String?
    }
    /// Its name.
    package var name: String
    /// A directory that lives as long as the Pod.
    package var emptyDir: EmptyDirectory?
}

/// The name of an object in the same namespace.
package struct LocalReference: Codable, Sendable, Hashable {
    /// The name.
    package var name: String
}

/// How Pods are spread.
package struct TopologySpread: Codable, Sendable, Hashable {
    /// By how many the numbers of Pods of two nodes may differ.
    package var maxSkew: Int
    /// The node label that tells places apart.
    package var topologyKey: String
    /// `ScheduleAnyway` or `DoNotSchedule`.
    package var whenUnsatisfiable: String
    /// Which Pods are counted.
    package var labelSelector: LabelSelector
}

// swift-tools-version: 6.2
import PackageDescription

let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
]

let nio: [Target.Dependency] = [
    .product(name: "NIOCore", package: "swift-nio"),
    .product(name: "NIOPosix", package: "swift-nio"),
    .product(name: "NIOHTTP1", package: "swift-nio"),
]
let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")
let tls: [Target.Dependency] = [
    .product(name: "NIOSSL", package: "swift-nio-ssl"), .product(name: "NIOTLS", package: "swift-nio"),
]
let http2: [Target.Dependency] = [
    .product(name: "NIOHTTP2", package: "swift-nio-http2"), .product(name: "NIOHPACK", package: "swift-nio-http2"),
]
let crypto: Target.Dependency = .product(name: "Crypto", package: "swift-crypto")
let subprocess: Target.Dependency = .product(name: "Subprocess", package: "swift-subprocess")
let system: Target.Dependency = .product(name: "SystemPackage", package: "swift-system")

let package = Package(
    name: "kiln",
    products: [.executable(name: "kiln", targets: ["kiln"])],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.3.0"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-http2", from: "1.46.0"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
        .package(url: "https://github.com/swiftlang/swift-subprocess", from: "1.0.2"),
        .package(url: "https://github.com/apple/swift-system", from: "1.5.0"),
    ],
    targets: [
        .systemLibrary(
            name: "CCurl", path: "Sources/System/CCurl", pkgConfig: "libcurl",
            providers: [.apt(["libcurl4-openssl-dev"])]),
        .systemLibrary(
            name: "CArchive", path: "Sources/System/CArchive", pkgConfig: "libarchive",
            providers: [.apt(["libarchive-dev"])]),
        .systemLibrary(
            name: "CZlib", path: "Sources/System/CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        .systemLibrary(name: "CLinux", path: "Sources/System/CLinux"),

        .target(name: "Contract", swiftSettings: strict),
        .target(name: "Telemetry", swiftSettings: strict),
        .target(name: "OTLP", dependencies: ["Telemetry", "Transfer", logging], swiftSettings: strict),
        .target(name: "Transfer", dependencies: ["CCurl", logging], swiftSettings: strict),
        .target(
            name: "OCI",
            dependencies: ["Contract", "Transfer", "CArchive", "CZlib", crypto, logging, subprocess, system],
            swiftSettings: strict),
        .target(
            name: "Kubernetes",
            dependencies: [
                "Contract", "Transfer", "Service", logging, subprocess, system,
                .product(name: "Yams", package: "Yams"),
            ],
            swiftSettings: strict),
        .target(name: "Service", dependencies: ["Contract", logging] + nio, swiftSettings: strict),
        .target(
            name: "Builder",
            dependencies: ["Contract", "OCI", "Transfer", "Service", "Telemetry", crypto, logging] + nio,
            exclude: ["Scripts/README.md"],
            resources: [
                .embedInCode("Scripts/ambient.d.ts"),
                .embedInCode("Scripts/analyst.js"),
                .embedInCode("Scripts/bake.js"),
                .embedInCode("Scripts/bootstrap.js"),
                .embedInCode("Scripts/caches.js"),
                .embedInCode("Scripts/check.json"),
                .embedInCode("Scripts/check-command.js"),
                .embedInCode("Scripts/checker.js"),
                .embedInCode("Scripts/code.js"),
                .embedInCode("Scripts/commonjs.js"),
                .embedInCode("Scripts/compile.js"),
                .embedInCode("Scripts/configuration.js"),
                .embedInCode("Scripts/edges.js"),
                .embedInCode("Scripts/forwarder.js"),
                .embedInCode("Scripts/frames.js"),
                .embedInCode("Scripts/graph.js"),
                .embedInCode("Scripts/handler.js"),
                .embedInCode("Scripts/import-map.js"),
                .embedInCode("Scripts/imports.js"),
                .embedInCode("Scripts/language-server.js"),
                .embedInCode("Scripts/loader.js"),
                .embedInCode("Scripts/lock.js"),
                .embedInCode("Scripts/node.js"),
                .embedInCode("Scripts/ordered.js"),
                .embedInCode("Scripts/own-code.js"),
                .embedInCode("Scripts/packages.js"),
                .embedInCode("Scripts/parser.js"),
                .embedInCode("Scripts/references.js"),
                .embedInCode("Scripts/residents.js"),
                .embedInCode("Scripts/resolve.js"),
                .embedInCode("Scripts/source.js"),
                .embedInCode("Scripts/survey.js"),
                .embedInCode("Scripts/tree.js"),
                .embedInCode("Scripts/types.js"),
                .embedInCode("Scripts/warm.js"),
                .embedInCode("Scripts/within.js"),
            ],
            swiftSettings: strict),
        .target(
            name: "Deployer",
            dependencies: [
                "Contract", "OCI", "Transfer", "Service", "Telemetry", "Kubernetes", "CLinux", crypto, logging,
                subprocess,
                system, .product(name: "GRDB", package: "GRDB.swift"),
            ] + nio,
            exclude: ["Local/README.md"],
            swiftSettings: strict),
        .target(
            name: "Router",
            dependencies: [
                "Contract", "Telemetry", "CLinux", logging,
                .product(name: "DequeModule", package: "swift-collections"),
                .product(name: "HeapModule", package: "swift-collections"),
            ] + nio + tls + http2,
            exclude: ["README.md"],
            swiftSettings: strict),
        .target(
            name: "Client", dependencies: ["Contract", "Transfer", "OCI", "CLinux"], swiftSettings: strict),
        .executableTarget(
            name: "kiln",
            dependencies: [
                "Client", "Contract", "Transfer", "OCI", "OTLP", "Service", "Telemetry", "Kubernetes", "Builder",
                "Deployer", "Router", "CLinux", logging, subprocess, system,
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ] + nio,
            resources: [.embedInCode("API/openapi.json")],
            swiftSettings: strict),

        .target(
            name: "Support",
            dependencies: ["Contract", "Kubernetes", "Transfer", "CLinux", logging, subprocess, system],
            path: "Tests/Support",
            exclude: [
                "KubernetesServer", "module_server.py", "npm_registry.py", "secure_load.py", "simulated_pod.py",
                "token_service.py", "websocket_peers.py",
            ],
            swiftSettings: strict),
        .testTarget(
            name: "EndToEndTests", dependencies: ["kiln", "Contract", "Kubernetes", "OCI", "Support", "Transfer"],
            swiftSettings: strict),
        .testTarget(
            name: "ClientTests", dependencies: ["Client", "Contract", "Support", "Transfer"], swiftSettings: strict),
        .testTarget(name: "ContractTests", dependencies: ["Contract"], swiftSettings: strict),
        .testTarget(
            name: "DeployerTests",
            dependencies: [
                "Contract", "Deployer", "Kubernetes", "OCI", "Service", "Support", "Transfer", logging,
                .product(name: "GRDB", package: "GRDB.swift"),
            ] + nio,
            swiftSettings: strict),
        .testTarget(
            name: "KubernetesTests", dependencies: ["Contract", "Kubernetes", "Support", "Transfer", logging],
            swiftSettings: strict),
        .testTarget(name: "TransferTests", dependencies: ["Transfer", "Support"], swiftSettings: strict),
        .testTarget(
            name: "BuilderTests",
            dependencies: ["Builder", "Contract", "OCI", "Service", "Support", "Transfer", crypto, logging, subprocess]
                + nio,
            swiftSettings: strict),
        .testTarget(
            name: "OCITests", dependencies: ["OCI", "Transfer", "Contract", "Support", crypto], swiftSettings: strict),
        .testTarget(
            name: "RouterTests",
            dependencies: ["Contract", "Router", "Support", "Telemetry", logging] + nio + tls + http2,
            swiftSettings: strict
        ),
        .testTarget(
            name: "OTLPTests", dependencies: ["OTLP", "Telemetry", "Transfer", "Support", logging],
            swiftSettings: strict),
        .testTarget(name: "TelemetryTests", dependencies: ["Telemetry", "Support"], swiftSettings: strict),
    ]
)

// For `make fuzz` only: the part of the Router that reads bytes, and what must hold of it, as one library for libFuzzer.
if Context.environment["KILN_FUZZ"] != nil {
    package.products = [.library(name: "KilnFuzz", type: .static, targets: ["Fuzz"])]
    package.targets = [
        .target(name: "Contract", swiftSettings: strict),
        .target(name: "Telemetry", swiftSettings: strict),
        .target(
            name: "Router",
            dependencies: [
                "Contract", "Telemetry", .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHPACK", package: "swift-nio-http2"),
            ],
            sources: [
                "Codec", "AccessLog/AccessLogEntry.swift", "Balance/StickyCookie.swift", "HTTP2/StreamRequest.swift",
                "HTTP2/StreamResponse.swift", "Policy/CORSFields.swift", "Policy/ClientIdentity.swift",
                "Policy/HostName.swift",
                "Policy/Reason.swift", "Policy/RequestFacts.swift", "Policy/RequestID.swift",
                "Policy/RequestRewriter.swift", "Policy/RequestTarget.swift", "Policy/ResponseRewriter.swift",
                "Policy/Trailers.swift", "Tracing/RequestTrace.swift",
            ],
            swiftSettings: strict),
        .target(
            name: "Fuzz", dependencies: ["Contract", "Router"], path: "Tests",
            sources: ["Attacks/Fuzz.swift", "RouterTests/Properties"],
            swiftSettings: strict),
    ]
}

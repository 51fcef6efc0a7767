import ArgumentParser
import Builder
import Contract

/// What an archive of a function's files may hold; options of `kiln builder` and `kiln up` alike.
struct ArchiveOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Most files and directories of a function (default: 5000).", valueName: "number"))
    var maxArchiveFiles: Int?

    @Option(help: ArgumentHelp("Most bytes of one of several files (default: 16Mi).", valueName: "bytes"))
    var maxArchiveFile: String?

    @Option(help: ArgumentHelp("Most bytes of all files of a function (default: 64Mi).", valueName: "bytes"))
    var maxArchiveBytes: String?

    @Option(
        help: ArgumentHelp(
            "How many times as large as it is sent an archive may become (default: 200).", valueName: "number"))
    var maxArchiveRatio: Int?

    @Option(help: ArgumentHelp("Most directories that a file is in (default: 32).", valueName: "number"))
    var maxArchiveDepth: Int?

    @Option(help: ArgumentHelp("Most bytes of a file's path (default: 512).", valueName: "bytes"))
    var maxArchivePath: Int?

    /// The limits.
    func limits() throws -> ArchiveLimits {
        var limits = ArchiveLimits()
        limits.entries = try count(maxArchiveFiles, "FILES", 1...100_000, limits.entries)
        limits.fileBytes = try bytes(maxArchiveFile, "FILE", limits.fileBytes)
        limits.bytes = try bytes(maxArchiveBytes, "BYTES", limits.bytes)
        limits.ratio = try count(maxArchiveRatio, "RATIO", 1...100_000, limits.ratio)
        limits.depth = try count(maxArchiveDepth, "DEPTH", 1...1000, limits.depth)
        limits.pathBytes = try count(maxArchivePath, "PATH", 1...4000, limits.pathBytes)
        return limits
    }

    private func count(_ flag: Int?, _ name: String, _ range: ClosedRange<Int>, _ fallback: Int) throws -> Int {
        try Setting.number(flag, "--max-archive-\(name.lowercased())", in: range) ?? fallback
    }

    private func bytes(_ flag: String?, _ name: String, _ fallback: Int) throws -> Int {
        try Setting.bytes(flag, "--max-archive-\(name.lowercased())", in: 1...1 << 30).map { Int($0) } ?? fallback
    }

    /// The same options as arguments for a child.
    var arguments: [String] {
        ChildArguments.option("--max-archive-files", maxArchiveFiles)
            + ChildArguments.option("--max-archive-file", maxArchiveFile)
            + ChildArguments.option("--max-archive-bytes", maxArchiveBytes)
            + ChildArguments.option("--max-archive-ratio", maxArchiveRatio)
            + ChildArguments.option("--max-archive-depth", maxArchiveDepth)
            + ChildArguments.option("--max-archive-path", maxArchivePath)
    }
}

/// What Deno lets code do inside a container. The container is the wall; this is the rail in front of it, with clear
/// messages.
package enum Sandbox {
    private static let program = ["/usr/bin/deno", "run"]
    /// Nothing is asked for, looked up or written that is not in the image.
    private static let closed = [
        "--quiet", "--no-prompt", "--no-config", "--cached-only", "--node-modules-dir=none",
    ]

    /// A function: the network (what of it is reachable, the container's network decides), its environment, its own
    /// code to read, `/tmp` to write, and the directory of the socket it serves on. No processes, native code or facts
    /// about the machine.
    package static let function =
        program + closed + [
            "--no-lock",
            "--allow-net", "--allow-env", "--allow-read=/app,/tmp,/run/kiln", "--allow-write=/tmp,/run/kiln",
        ]

    /// A function that imports modules from elsewhere: as ``function``, with what the image has of them, at exactly the
    /// versions and with the contents that are locked.
    package static let functionWithDependencies =
        program + closed + [
            "--lock=/deno/deno.lock", "--frozen", "--allow-import",
            "--allow-net", "--allow-env", "--allow-read=/app,/deno,/tmp,/run/kiln", "--allow-write=/tmp,/run/kiln",
        ]

    /// A function that imports modules from elsewhere, outside of a container (`kiln run`): Deno fetches them itself, into the cache in
    /// `/deno`.
    package static let fetchingFunction =
        program + [
            "--quiet", "--no-prompt", "--no-config", "--node-modules-dir=none", "--no-lock", "--allow-import",
            "--allow-net", "--allow-env", "--allow-read=/app,/deno,/tmp,/run/kiln", "--allow-write=/tmp,/run/kiln",
        ]

    /// A function of several files, beside one of the former two: which of them runs in the place of which.
    package static let importMap = "--import-map=/app/imports.json"

    /// The checker: its socket, its scripts, `/tmp`, and Deno as a child process. What it judges has fewer rights, see
    /// `checker.js`.
    package static let checker =
        program + closed + [
            "--no-lock", "--allow-net", "--allow-run=/usr/bin/deno",
            "--allow-read=/kiln,/deno,/resolve,/tmp,/run/kiln", "--allow-write=/resolve,/tmp,/run/kiln",
            "/kiln/checker.js",
        ]
}

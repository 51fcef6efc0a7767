import Glibc

/// What `kiln up` says to the person at the terminal.
enum Console {
    static func error(_ sentence: String) { write("kiln: \(sentence)\n") }

    static func note(_ sentence: String) { write("\(sentence)\n") }

    static func banner(url: String, registry: String, _ elapsed: Duration, token: Bool) {
        let seconds = (elapsed / .milliseconds(100)).rounded() / 10
        let header = token ? " -H \"Authorization: Bearer $TOKEN\"" : ""
        write(
            """

            Kiln is up after \(seconds) s: \(url)
            Images are in the registry at \(registry). Ctrl-C stops everything.

            Deploy a function and call it:

              curl --data-binary @examples/useragent.ts\(header) '\(url)/func?name=useragent'
              curl \(url)/fn/useragent


            """)
    }

    private static func write(_ text: String) {
        let bytes = Array(text.utf8)
        _ = bytes.withUnsafeBytes { Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }
}

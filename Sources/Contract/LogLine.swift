/// A line that an instance printed, as `GET /func/NAME/logs` sends it.
package struct LogLine: Hashable, Sendable, Codable {
    /// When.
    package var time: Timestamp
    /// The instance.
    package var instance: String
    /// The revision.
    package var revision: Int
    /// `stdout` or `stderr`; `kiln` for a remark of Kiln's own.
    package var stream: String
    /// The text, without its line break.
    package var message: String

    /// A line.
    package init(time: Timestamp, instance: String, revision: Int, stream: String, message: String) {
        self.time = time
        self.instance = instance
        self.revision = revision
        self.stream = stream
        self.message = message
    }
}

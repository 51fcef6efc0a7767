/// Something that took time, as part of a trace: a span of OpenTelemetry.
package struct Span: Sendable {
    /// What part it has in a call; the numbers are OTLP's.
    package enum Kind: Int, Sendable {
        /// It answers a request.
        case server = 2
        /// It makes one.
        case client = 3
    }

    /// A value of an attribute.
    package enum Value: Sendable, Hashable {
        /// Text.
        case text(String)
        /// A number.
        case integer(Int)
    }

    /// A moment in it.
    package struct Event: Sendable, Hashable {
        /// What happened.
        package var name: String
        /// When, in nanoseconds since 1970.
        package var time: UInt64

        /// `name` at `time`.
        package init(_ name: String, at time: UInt64) {
            self.name = name
            self.time = time
        }
    }

    /// Its trace, and its own id.
    package var context: TraceContext
    /// The span that it is a child of; `nil`: it begins the trace.
    package var parent: UInt64?
    /// Whether that is another process's.
    package var hasRemoteParent = false
    /// What traces of its kind have in common, such as `GET /fn/hello`.
    package var name: String
    /// Its part.
    package var kind: Kind
    /// When it began and ended, in nanoseconds since 1970.
    package var start: UInt64
    package var end: UInt64
    /// What else is known, by names of OpenTelemetry's semantic conventions or beginning with `kiln.`.
    package var attributes: [(key: String, value: Value)] = []
    /// Its moments.
    package var events: [Event] = []
    /// Whether it failed.
    package var isError = false

    /// A span.
    package init(
        _ context: TraceContext, parent: UInt64?, name: String, kind: Kind, start: UInt64, end: UInt64
    ) {
        self.context = context
        self.parent = parent
        self.name = name
        self.kind = kind
        self.start = start
        self.end = end
    }

    /// Adds an attribute, if there is a value.
    package mutating func note(_ key: String, _ value: String?) {
        if let value { attributes.append((key, .text(value))) }
    }

    /// Adds a number.
    package mutating func note(_ key: String, _ value: Int) { attributes.append((key, .integer(value))) }
}

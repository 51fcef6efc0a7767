import NIOCore
import NIOHTTP2

/// How much one connection that speaks HTTP/2 may ask for.
package struct HTTP2Limits: Sendable, Equatable {
    /// Requests at a time (SETTINGS_MAX_CONCURRENT_STREAMS); one more is refused; flag `--max-streams`.
    package var streams = 100
    /// Bytes of a request's body that may come before an instance has taken those before (SETTINGS_INITIAL_WINDOW_SIZE): what a request
    /// that stands still keeps in memory, at most; flag `--max-stream-window`.
    package var window = 65_535
    /// Frames that end a request within ``period``: more are a rapid reset (CVE-2023-44487), and end the connection.
    package var resets = 200
    /// Requests within ``period`` that are not well-formed.
    package var malformed = 200
    /// PING, SETTINGS and PRIORITY frames within ``period``.
    package var controlFrames = 500
    /// WINDOW_UPDATE frames beyond those that what was sent can be the reason for; see ``UpdateAllowance``.
    package var windowUpdates = 2_000
    /// What resets, malformed requests and control frames are counted over.
    package var period: Duration = .seconds(30)
    /// CONTINUATION frames of one head (CVE-2024-27983).
    package var continuations = 5
    /// DATA frames in a row that bring nothing.
    package var emptyFrames = 10
    /// Answers to control frames that wait because the client does not read.
    package var unread = 1_000
    /// Bytes of the table that compresses a client's fields (SETTINGS_HEADER_TABLE_SIZE).
    package var headerTable = 4_096

    /// The defaults.
    package init() {}

    /// The connection's part, with heads of at most `head` bytes.
    func connection(head: Int) -> NIOHTTP2Handler.ConnectionConfiguration {
        var configuration = NIOHTTP2Handler.ConnectionConfiguration()
        configuration.initialSettings = [
            HTTP2Setting(parameter: .maxConcurrentStreams, value: streams),
            HTTP2Setting(parameter: .initialWindowSize, value: window),
            HTTP2Setting(parameter: .headerTableSize, value: headerTable),
            // Twice as much as is taken, so that what is just too much gets an answer that says so.
            HTTP2Setting(parameter: .maxHeaderListSize, value: 2 * head),
        ]
        configuration.maximumSequentialEmptyDataFrames = emptyFrames
        configuration.maximumBufferedControlFrames = unread
        configuration.maximumSequentialContinuationFrames = continuations
        configuration.controlFrameRateLimit.maximumCount = controlFrames
        configuration.controlFrameRateLimit.windowLength = TimeAmount(period)
        return configuration
    }

    /// The part of each request.
    var stream: NIOHTTP2Handler.StreamConfiguration {
        var configuration = NIOHTTP2Handler.StreamConfiguration()
        configuration.targetWindowSize = window
        configuration.outboundBufferSizeHighWatermark = 65_536
        configuration.outboundBufferSizeLowWatermark = 32_768
        configuration.streamResetFrameRateLimit.maximumCount = resets
        configuration.streamResetFrameRateLimit.windowLength = TimeAmount(period)
        configuration.streamErrorRateLimit.maximumCount = malformed
        configuration.streamErrorRateLimit.windowLength = TimeAmount(period)
        return configuration
    }
}

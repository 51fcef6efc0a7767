import CCurl

/// The owner of one libcurl easy handle with its header list.
struct EasyHandle: ~Copyable {
    let raw: UnsafeMutableRawPointer
    private var list: UnsafeMutablePointer<curl_slist>?
    private let errorText: UnsafeMutablePointer<CChar>

    init() throws(TransferError) {
        guard let raw = curl_easy_init() else {
            throw TransferError(.unavailable, "libcurl has no memory for a transfer.")
        }
        self.raw = raw
        errorText = .allocate(capacity: Int(CURL_ERROR_SIZE))
        errorText.initialize(repeating: 0, count: Int(CURL_ERROR_SIZE))
    }

    deinit {
        curl_easy_cleanup(raw)
        curl_slist_free_all(list)
        errorText.deallocate()
    }

    /// Lets libcurl write its explanations where ``explanation(of:)`` reads them.
    func collectExplanations() throws(TransferError) { try set(CURLOPT_ERRORBUFFER, pointer: errorText) }

    /// What libcurl says of a transfer that ended with `code`.
    func explanation(of code: CURLcode) -> String {
        let detail = String(cString: errorText)
        return detail.isEmpty ? String(cString: curl_easy_strerror(code)) : detail
    }

    /// Sets a number or a switch.
    func set(_ option: CURLoption, _ value: Int) throws(TransferError) {
        try check(kiln_easy_set_long(raw, option, value), option)
    }

    /// Sets a number of bytes.
    func set(_ option: CURLoption, bytes value: Int) throws(TransferError) {
        try check(kiln_easy_set_offset(raw, option, curl_off_t(value)), option)
    }

    /// Sets a text, which libcurl copies; `nil` unsets.
    func set(_ option: CURLoption, _ value: String?) throws(TransferError) {
        try check(kiln_easy_set_text(raw, option, value), option)
    }

    /// Sets a pointer, which must stay valid for as long as the handle is in use.
    func set(_ option: CURLoption, pointer value: UnsafeMutableRawPointer) throws(TransferError) {
        try check(kiln_easy_set_pointer(raw, option, value), option)
    }

    /// Sets a time limit; `nil` means none. Limits under a millisecond become one, because 0 means none to libcurl.
    func set(_ option: CURLoption, _ limit: Duration?) throws(TransferError) {
        try set(option, limit.map { max(1, $0.milliseconds) } ?? 0)
    }

    /// Sets a value that libcurl takes from memory, to a copy of `bytes`.
    func set(_ option: CURLoption, copy bytes: [UInt8]) throws(TransferError) {
        let code = bytes.withUnsafeBytes { kiln_easy_set_blob(raw, option, $0.baseAddress, $0.count) }
        try check(code, option)
    }

    /// Sets the body to a copy of `bytes`, for bodies so small that libcurl sends them along with the head.
    func set(copiedBody bytes: [UInt8]) throws(TransferError) {
        try set(CURLOPT_POSTFIELDSIZE_LARGE, bytes: bytes.count)
        // An empty array may have no address, and a null pointer would mean "read the body from the callback".
        guard !bytes.isEmpty else { return try set(CURLOPT_COPYPOSTFIELDS, "") }
        let code = bytes.withUnsafeBytes { bytes in
            kiln_easy_set_text(raw, CURLOPT_COPYPOSTFIELDS, bytes.bindMemory(to: CChar.self).baseAddress)
        }
        try check(code, CURLOPT_COPYPOSTFIELDS)
    }

    /// Sets the header list.
    mutating func set(headers lines: [String]) throws(TransferError) {
        for line in lines {
            guard let longer = curl_slist_append(list, line) else {
                throw TransferError(.unavailable, "libcurl has no memory for a header field.")
            }
            list = longer
        }
        try check(kiln_easy_set_list(raw, CURLOPT_HTTPHEADER, list), CURLOPT_HTTPHEADER)
    }

    /// Throws the library's own message for anything but success.
    func check(_ code: CURLcode, _ option: CURLoption) throws(TransferError) {
        guard code == CURLE_OK else {
            throw TransferError(
                .invalidRequest,
                "libcurl refused option \(option.rawValue): \(String(cString: curl_easy_strerror(code))).")
        }
    }
}

extension Duration {
    /// Whole milliseconds, rounded down.
    var milliseconds: Int {
        let (seconds, attoseconds) = components
        let (product, overflow) = Int(seconds).multipliedReportingOverflow(by: 1000)
        return overflow ? Int.max / 2 : product + Int(attoseconds / 1_000_000_000_000_000)
    }
}

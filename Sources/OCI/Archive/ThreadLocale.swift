import Glibc

/// Runs `body` with this thread's character encoding set to UTF-8.
///
/// libarchive converts names by the current locale. In the C locale, with which every process starts, version 3.6
/// crashes on or drops a name that is not ASCII. `setlocale` would change the whole process behind everyone's back, so
/// only this thread's locale is changed, and only for the call.
func withUTF8Names<Result>(_ body: () throws(OCIError) -> Result) throws(OCIError) -> Result {
    guard let locale = utf8Locale.value else {
        throw OCIError(.library, "This system has no C.UTF-8 locale, which archives with names beyond ASCII need.")
    }
    let former = uselocale(locale)
    defer { uselocale(former) }
    return try body()
}

/// `@unchecked Sendable`: made once, never changed and never freed; `uselocale` only reads it.
private struct SharedLocale: @unchecked Sendable {
    let value: locale_t?
}

// Bit 0 is LC_CTYPE_MASK, a macro that Swift does not see: 1 << LC_CTYPE.
private let utf8Locale = SharedLocale(value: newlocale(1 << LC_CTYPE, "C.UTF-8", nil))

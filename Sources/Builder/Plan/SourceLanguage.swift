/// What a source is written in, as far as the one who posts it says so with `Content-Type`.
package enum SourceLanguage: Sendable, Hashable {
    /// Nothing is said, as by `curl --data-binary`.
    case unstated
    /// TypeScript: types are checked as Deno checks them.
    case typescript
    /// JavaScript: types are checked where the source asks for it with `// @ts-check`.
    case javascript

    /// The language that a media type names.
    package init(mediaType: String?) {
        let type = mediaType?.split(separator: ";").first.map { $0.filter { $0 != " " }.lowercased() }
        switch type {
        case "application/typescript", "text/typescript", "application/x-typescript", "text/x-typescript":
            self = .typescript
        case "application/javascript", "text/javascript", "application/x-javascript", "application/ecmascript",
            "text/ecmascript":
            self = .javascript
        default: self = .unstated
        }
    }
}

/// How a function's module handles requests, and so how it is started. The checker decides it from the syntax tree.
package enum HandlerForm: String, Hashable, Sendable, Codable, CaseIterable {
    /// A default export: a function of a Request, or an object with `fetch`.
    case request
    /// A default function of the 2021 form, `handler({ req })`, answering through `req.respondWith`.
    case event
    /// A script that calls `Deno.serve`.
    case serve
    /// A script whose server is one of Node's.
    case node

    /// What follows the flags of `deno run`: the image's `Cmd`.
    package var command: [String] {
        switch self {
        case .request, .event: ["/kiln/bootstrap.js", rawValue]
        case .serve: ["--preload=/kiln/bootstrap.js", "/app/main.js"]
        case .node: ["--preload=/kiln/bootstrap.js", "--preload=/kiln/node.js", "/app/main.js"]
        }
    }
}

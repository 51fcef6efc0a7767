import Builder
import Client

/// One `kiln run`: checks, starts, and starts again.
struct LocalSession: Sendable {
    let source: LocalSource
    let checker: LocalChecker
    let function: LocalFunction
    let printer: Printer
    let reloads: Bool
    let checksTypes: Bool

    private enum Event: Sendable {
        case changed
        case ended(String)
        case failed(ClientError)
    }

    /// A process of the function.
    private struct Run {
        let warnings: [String]
        let task: Task<Void, Never>
        let readiness: Task<Void, Never>

        func end() async {
            readiness.cancel()
            task.cancel()
            await task.value
        }
    }

    /// Goes on until the task is cancelled, or something fails that no change of the source can mend.
    func run() async throws(ClientError) {
        let (events, sink) = AsyncStream.makeStream(of: Event.self)
        let checking = Task {
            do throws(ClientError) { try await checker.run() } catch { sink.yield(.failed(error)) }
        }
        let watch = reloads ? try SourceWatch(source.origin) : nil
        let watching = Task {
            guard let watch else { return }
            for await _ in watch.changes() { sink.yield(.changed) }
        }
        var current: Run?
        var failure: ClientError?
        do throws(ClientError) {
            try await checker.waitUntilReady()
            current = try await start(sink, before: nil)
            for await event in events {
                switch event {
                case .changed: current = try await start(sink, before: current)
                case .failed(let error): throw error
                case .ended(let how):
                    let sentence = "The function ended (\(how))."
                    guard reloads else { throw ClientError(.build, sentence) }
                    report(ClientError(.build, "\(sentence) It starts again when \(source.origin) changes."))
                    current = nil
                }
            }
        } catch {
            failure = error
        }
        watching.cancel()
        await current?.end()
        checking.cancel()
        await checking.value
        if let failure, !Task.isCancelled { throw failure }
    }

    /// Checks the source and puts a process with it in the place of `former`, which stays when there is something wrong.
    private func start(_ sink: AsyncStream<Event>.Continuation, before former: Run?) async throws(ClientError) -> Run? {
        let read: LocalSource.Content
        let module: CheckedModule
        do throws(ClientError) {
            read = try await source.read()
            do throws(ClientError) {
                module = try await checker.check(read.plan)
            } catch {
                guard !Task.isCancelled else { return former }
                printer.fail(error, showing: read.excerpts)
                guard reloads else { throw ClientError(exit: error.status) }
                return former
            }
        } catch {
            guard reloads, !error.message.isEmpty else { throw error }
            report(error)
            return former
        }
        await former?.end()
        try function.install(read.plan, module)
        let warnings = read.warnings + (module.files?.warnings ?? [])
        if warnings != former?.warnings ?? [] { warnings.forEach(printer.warn) }
        let task = Task {
            do throws(ClientError) {
                if let end = try await function.run(module) { sink.yield(.ended(end)) }
            } catch {
                if !Task.isCancelled { sink.yield(.failed(error)) }
            }
        }
        let isFirst = former == nil
        let readiness = Task {
            guard await function.waitUntilItAccepts() else { return }
            announce(isFirst)
            guard checksTypes else { return }
            let verdict = await checker.types(of: read.plan, module)
            guard !Task.isCancelled else { return }
            switch verdict {
            case .right(let note): if let note { printer.warn(note) }
            case .failed(let error): printer.fail(error, showing: read.excerpts)
            }
        }
        return Run(warnings: warnings, task: task, readiness: readiness)
    }

    private func announce(_ isFirst: Bool) {
        let url = "http://\(function.address.text)/"
        if printer.isJSON {
            printer.document(
                .object(["event": .string("serving"), "file": .string(source.origin.description), "url": .string(url)]))
            return
        }
        let rest = isFirst ? reloads ? " It starts again when the source changes; Ctrl-C ends." : " Ctrl-C ends." : ""
        StandardStream.error.write("\(source.origin) answers at \(url)\(rest)\n")
    }

    private func report(_ error: ClientError) { printer.fail(error) }
}

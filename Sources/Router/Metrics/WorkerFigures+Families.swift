import Telemetry

extension WorkerFigures {
    /// The metrics of a Router with these figures; `waiting` is how many requests wait for each function that any wait for.
    func families(waiting: [String: Int], functions routed: Int) -> [MetricFamily] {
        functionFamilies() + [
            MetricFamily(
                "kiln_router_connections_total", .counter, "Client connections accepted.", value: Double(connections)),
            MetricFamily(
                "kiln_router_connections", .gauge, "Client connections open now.", value: Double(openConnections)),
            MetricFamily(
                "kiln_router_idle_upstreams", .gauge, "Connections to instances kept for the next request.",
                value: Double(idleUpstreams)),
            MetricFamily(
                "kiln_router_retries_total", .counter, "Requests sent to an instance once more.", value: Double(retries)
            ),
            MetricFamily(
                "kiln_router_dial_failures_total", .counter, "Connections to instances that could not be made.",
                value: Double(dialFailures)),
            MetricFamily(
                "kiln_router_tunnels_total", .counter, "Connections that became tunnels (WebSockets).",
                value: Double(tunnels)),
            MetricFamily(
                "kiln_router_preflights_total", .counter, "Preflights of CORS answered in the place of functions.",
                value: Double(preflights)),
            MetricFamily(
                "kiln_router_management_requests_total", .counter, "Management calls passed on to the other roles.",
                value: Double(managementRequests)),
            MetricFamily(
                "kiln_router_functions", .gauge, "Functions in the route table.", value: Double(routed)),
            answers(), broken(), held(waiting),
        ]
    }

    /// The metrics of HTTP/2.
    func http2Families() -> [MetricFamily] {
        [
            MetricFamily(
                "kiln_router_http2_connections_total", .counter, "Client connections that spoke HTTP/2.",
                value: Double(http2Connections)),
            MetricFamily(
                "kiln_router_http2_requests_total", .counter, "Requests begun over HTTP/2.", value: Double(http2Streams)
            ),
            MetricFamily(
                "kiln_router_http2_faults_total",
                "Requests and connections that were ended because HTTP/2 or its limits were not kept, by what was ended.",
                http2Faults, by: "ended"),
        ]
    }

    /// The metrics of a Router whose clients speak TLS.
    func tlsFamilies() -> [MetricFamily] {
        [
            MetricFamily(
                "kiln_router_tls_handshakes_total", .counter, "Handshakes of TLS that were completed.",
                value: Double(handshakes)),
            MetricFamily(
                "kiln_router_tls_handshake_failures_total", "Handshakes of TLS that were not completed, by reason.",
                handshakeFailures, by: "reason"),
        ]
    }

    private func answers() -> MetricFamily {
        MetricFamily(
            "kiln_router_answers_total",
            "Requests that the Router answered itself with a problem, by the reason that X-Kiln-Reason names.",
            refusals, by: "reason")
    }

    private func broken() -> MetricFamily {
        MetricFamily(
            "kiln_router_broken_responses_total",
            "Responses broken off after their head, and WebSockets, by the reason that the access log names.",
            cuts, by: "reason")
    }

    private func held(_ waiting: [String: Int]) -> MetricFamily {
        var family = MetricFamily(
            "kiln_requests_waiting", .gauge, "Requests that wait for an instance now, of functions that any wait for.")
        for (name, count) in waiting.sorted(by: { $0.key < $1.key }) { family.add(count, .init("function", name)) }
        return family
    }

    private func functionFamilies() -> [MetricFamily] {
        var requests = MetricFamily(
            "kiln_requests_total", .counter,
            "Requests for a function that are over, by the class of the status code; none: the client went before an answer."
        )
        var inFlight = MetricFamily("kiln_requests_in_flight", .gauge, "Requests for a function that are not over.")
        var durations = MetricFamily(
            "kiln_request_duration_seconds", .histogram,
            "From the request's head to the end of the response, waiting for an instance included.")
        var upstream = MetricFamily(
            "kiln_upstream_response_seconds", .summary,
            "From handing the request to an instance to the head of its response.")
        var waits = MetricFamily(
            "kiln_request_wait_seconds", .summary, "Of requests that waited for an instance: how long they did.")
        var received = MetricFamily(
            "kiln_request_body_bytes_total", .counter, "Bytes of request bodies passed to instances.")
        var sent = MetricFamily(
            "kiln_response_body_bytes_total", .counter, "Bytes of response bodies passed to clients.")
        for (name, figures) in functions.sorted(by: { $0.key < $1.key }) {
            let label = MetricFamily.Label("function", name)
            for outcome in FunctionCounters.Outcome.allCases {
                requests.add(figures.outcomes[outcome.rawValue], label, .init("code", outcome.label))
            }
            inFlight.add(figures.inFlight, label)
            durations.add(Histogram(figures), label)
            upstream.add(sum: Double(figures.upstreamNanoseconds) / 1e9, count: figures.upstreamAnswers, label)
            waits.add(sum: Double(figures.heldNanoseconds) / 1e9, count: figures.held, label)
            received.add(figures.requestBytes, label)
            sent.add(figures.responseBytes, label)
        }
        return [requests, inFlight, durations, upstream, waits, received, sent]
    }
}

extension MetricFamily {
    /// The counters `counts`, one for each case, none left out, which the label `label` names.
    fileprivate init<Case: CaseIterable & RawRepresentable<String> & Hashable>(
        _ name: String, _ help: String, _ counts: [Case: Int], by label: String
    ) {
        self.init(name, .counter, help)
        for one in Case.allCases { add(counts[one] ?? 0, .init(label, one.rawValue)) }
    }
}

extension Histogram {
    fileprivate init(_ figures: FunctionFigures) {
        self.init(
            bounds: Histogram.requestBounds, counts: figures.buckets.map(UInt64.init),
            sum: Double(figures.nanoseconds) / 1e9)
    }
}

-- Ends wrk's output with one line for bench.py. No request() or response() here: they would slow wrk down.
done = function(summary, latency, requests)
    local e = summary.errors
    io.write(string.format("requests=%d bytes=%d non_2xx=%d socket_errors=%d\n",
        summary.requests, summary.bytes, e.status, e.connect + e.read + e.write + e.timeout))
end

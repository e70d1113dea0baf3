-- For wrk: looks up a random address each time. scripts/bench runs it.
math.randomseed(1)

function request()
    local mac = string.format("%06x%06x", math.random(0, 0xffffff), math.random(0, 0xffffff))
    return wrk.format("GET", "/api/v1/oui/" .. mac)
end

-- An address that no registry covers is answered 404, which wrk would count as an error of the server's.
function done(summary, latency)
    io.stderr:write(string.format("%.0f %.2f %d\n", summary.requests / summary.duration * 1e6,
        latency:percentile(99) / 1e3, summary.errors.connect + summary.errors.read + summary.errors.write +
        summary.errors.timeout))
end

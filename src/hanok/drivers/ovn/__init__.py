"""OVN: logical networks as rows in a database, and the daemons that make them real on a host.

    engines     the data plane's daemons as data for a supervisor; namespaces and veth pair
    topology    networks, ports, routers, security groups → rows (pure)
    rows        what the northbound database can be asked to hold
    northbound  makes exactly these rows exist, a scope at a time
    plan        which OVSDB operations that takes; reading: the way back
    idl         the copy of the database, in a thread of its own
    simulated   the same contract in memory
    chassis     the host side: taps, metadata devices
    host        commands, network namespaces, device settings

A caller writes rows a *scope* at a time ("network:…", "port:…", "security_group:…"), each time all
of them, with a revision that grows. What differs is changed in one transaction; a writer that comes
late is refused.
"""

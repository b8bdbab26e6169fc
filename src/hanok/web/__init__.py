"""HTTP without a service: routes, requests, bodies, faults, microversions, pages, access rules."""

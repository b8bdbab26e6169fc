"""The dashboard: a client of the public APIs in the browser, and the small room between the two.

The browser never sees a token. It has a session in a sealed cookie; a request under /dashboard/api goes through the
front door of the cloud with the session's token, as any other client's. Whatever the dashboard can do, a script can.
"""

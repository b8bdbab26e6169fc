"""Compute's operations. Each lists the steps that the course counts to twelve:

1-3 the request is accepted (dashboard or client, identity, API), 4 a worker takes the operation, 5-6 placement is asked
for candidates, 7-8 they are filtered and weighed, 9 a host is claimed, 10-11 the image is fetched to the host's cache,
12 ports are bound and the guest is started.
"""

from __future__ import annotations

from hanok.services.compute.operations.change_power import ChangePower
from hanok.services.compute.operations.create_image import CreateImage
from hanok.services.compute.operations.create_server import CreateServer
from hanok.services.compute.operations.delete_server import DeleteServer

OPERATIONS = (CreateServer, DeleteServer, ChangePower, CreateImage)

__all__ = ["OPERATIONS", "ChangePower", "CreateImage", "CreateServer", "DeleteServer"]

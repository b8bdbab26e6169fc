"""A bus over NATS."""

from __future__ import annotations

import asyncio
import logging

import nats
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import NoRespondersError
from nats.errors import TimeoutError as NATSTimeout

from hanok.base.authority import TLSFolder, client_context
from hanok.base.errors import Unavailable
from hanok.bus.interface import Handler, Listening, NobodyThere

log = logging.getLogger(__name__)

INBOXES = "_INBOX."  # where answers go: who asks may name nothing else, on which it might not speak itself


class _Subscribed:
    def __init__(self, subscription: Subscription) -> None:
        self._subscription = subscription

    async def end(self) -> None:
        await self._subscription.unsubscribe()


class NATSBus:
    """One connection to a NATS server or cluster; it reconnects by itself, for ever."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._tasks: set[asyncio.Future[None]] = set()

    @classmethod
    async def connect(
        cls,
        url: str,
        *,
        name: str,
        user: str = "",
        password: str = "",
        tls: TLSFolder | None = None,
        inbox: str = "_INBOX",
    ) -> NATSBus:
        """Connect to nats://host:port, or tls://host:port; keeps trying until the server is there.

        Args:
            tls: with whose certificate; it is read anew for each connection.
            inbox: the subject below which answers come.
        """
        sealed = None if tls is None else client_context(tls)

        async def load() -> None:
            if tls is not None and sealed is not None:
                sealed.load_cert_chain(tls.certificate, tls.key)

        client = await nats.connect(
            url,
            name=name,
            tls=sealed,
            disconnected_cb=load,
            inbox_prefix=inbox.encode(),
            user=user or None,
            password=password or None,
            max_reconnect_attempts=-1,
            reconnect_time_wait=0.2,
            connect_timeout=2,
            error_cb=_log_error,
        )
        return cls(client)

    async def publish(self, subject: str, payload: bytes) -> None:
        await self._client.publish(subject, payload)

    async def ask(self, subject: str, payload: bytes, *, timeout_s: float) -> bytes:
        try:
            reply = await self._client.request(subject, payload, timeout=timeout_s)
        except NoRespondersError:
            raise NobodyThere(f"nothing listens on {subject}") from None
        except NATSTimeout:
            raise NobodyThere(f"no reply from {subject} within {timeout_s:g} s") from None
        if not reply.data:
            raise NobodyThere(f"no reply from {subject}: it failed")
        return reply.data

    async def listen(self, subject: str, handler: Handler, *, group: str = "") -> Listening:
        async def receive(message: Msg) -> None:
            # One task a message: a slow command must not hold up the next one.
            task = asyncio.ensure_future(self._handle(handler, message))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

        subscription = await self._client.subscribe(subject, queue=group, cb=receive)
        await self._client.flush()
        return _Subscribed(subscription)

    async def _handle(self, handler: Handler, message: Msg) -> None:
        reply: bytes | None = None
        try:
            reply = await handler(message.subject, message.data)
        except Unavailable as error:
            log.warning("a message of %s is lost: %s", message.subject, error.message)
        except Exception:
            log.exception("a listener of %s failed", message.subject)
        if message.reply.startswith(INBOXES):
            await message.respond(reply or b"")

    async def close(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._client.close()


async def _log_error(error: Exception) -> None:
    log.warning("messages: %s", error or type(error).__name__)

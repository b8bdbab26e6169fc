"""A PostgreSQL server of the cloud's own, on the machine where the cloud began.

<state>/database/data        what initdb made, and the rows
<state>/database/password    of the role `hanok`, which owns the database `hanok` and nothing else (root's)
<state>/database/hba.conf    who may connect, and by what
<state>/database/ident.conf  which certificates are the role's
<state>/database/tls         what it shows controllers on other machines, and whom it believes

Debian's programs, run by its user `postgres` and not by its service: another cloud, or somebody's own server, is
beside it. It answers at a socket in /run/hanok/<id>/database, and where the cloud has an address there, for control
processes of other machines: by TLS, each with a certificate of its own.
"""

from __future__ import annotations

import errno
import os
import pwd
import re
import secrets
import shutil
import signal
import subprocess
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

from hanok.base.authority import TLSFolder
from hanok.supervisor import processes
from hanok.supervisor.settings import Cloud, write_whole

PROGRAMS = Path("/usr/lib/postgresql")
USER = "postgres"  # of Debian's package; the server refuses to be root
PORT = 5432  # only names the socket
MAKE_S = 120.0
_STARTUP = (
    b"\x00\x03\x00\x00user\0hanok\0database\0hanok\0\0"  # version 3 of its protocol, and who we are
)
HELLO, WHO = (len(_STARTUP) + 4).to_bytes(4, "big") + _STARTUP, b"R"
HBA = "local hanok hanok scram-sha-256\n"
MAP = "controllers"


class NotMade(Exception):
    """The server could not be made; the text says why."""


def folder(cloud: Cloud) -> Path:
    return cloud.state / "database"


def _data(cloud: Cloud) -> Path:
    return folder(cloud) / "data"


def is_made(cloud: Cloud) -> bool:
    return not cloud.settings.simulated and (_data(cloud) / "PG_VERSION").exists()


def programs(version: str = "") -> Path | None:
    """The folder of a version's programs; of the newest there is, where none is named."""
    found = [one.parent for one in PROGRAMS.glob(f"{version or '*'}/bin/postgres")]
    numbered = [one for one in found if one.parent.name.isdecimal()]
    return max(numbered, key=lambda one: int(one.parent.name), default=None)


def user() -> tuple[int, int]:
    """
    Raises:
        OSError: Debian's package is not installed.
    """
    try:
        found = pwd.getpwnam(USER)
    except KeyError:
        why = "the package postgresql, which runs the cloud's database, is not installed"
        raise OSError(errno.ENOENT, why) from None
    return found.pw_uid, found.pw_gid


def argv(cloud: Cloud) -> tuple[str, ...]:
    """What the server runs as."""
    version = (_data(cloud) / "PG_VERSION").read_text().strip()
    settings = {
        "unix_socket_directories": str(_sockets(cloud)),
        "port": PORT,
        "listen_addresses": cloud.settings.address,
        "hba_file": str(folder(cloud) / "hba.conf"),
        "ident_file": str(folder(cloud) / "ident.conf"),
        # A controller whose machine was cut off in the middle of a transaction holds rows for no longer than this.
        "tcp_keepalives_idle": 2,
        "tcp_keepalives_interval": 1,
        "tcp_keepalives_count": 3,
        "tcp_user_timeout": 5000,
        **_sealed(cloud),
        "max_connections": 200,
        "shared_buffers": "64MB",
        "cluster_name": f"hanok-{cloud.settings.id}",
    }
    words = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    program = PROGRAMS / version / "bin" / "postgres"
    return (str(program), "-D", str(_data(cloud)), *words)


def tls(cloud: Cloud) -> TLSFolder:
    return TLSFolder(folder(cloud) / "tls", user()[0])


def trusted(cloud: Cloud) -> Path:
    """What signed the certificates that it takes."""
    return folder(cloud) / "tls" / "controllers.pem"


def _sealed(cloud: Cloud) -> dict[str, str]:
    if not cloud.tls:
        return {}
    place = TLSFolder(folder(cloud) / "tls")
    return {
        "ssl": "on",
        "ssl_cert_file": str(place.certificate),
        "ssl_key_file": str(place.key),
        "ssl_ca_file": str(trusted(cloud)),
        "ssl_min_protocol_version": "TLSv1.3",
    }


def _sockets(cloud: Cloud) -> Path:
    return cloud.run / "database"


def socket(cloud: Cloud) -> Path:
    return _sockets(cloud) / f".s.PGSQL.{PORT}"


def url(cloud: Cloud) -> str:
    """The address of the database, with its password."""
    password = (folder(cloud) / "password").read_text().strip()
    return f"postgresql://hanok:{quote(password, safe='')}@/hanok?host={_sockets(cloud)}"


def url_for_others(cloud: Cloud) -> str:
    """The address for control processes of other machines; they show a certificate in place of a password."""
    return f"postgresql://hanok@{cloud.settings.address}:{PORT}/hanok"


def admit(cloud: Cloud, controllers: Mapping[str, str]) -> bool:
    """These control processes of other machines may connect, and nobody else; returns whether that is new.

    Args:
        controllers: addresses by name, which stands in the certificate. What signed them is in `trusted` before.
    """
    uid, _ = user()
    hba = HBA + "".join(
        f"hostssl hanok hanok {address}/32 cert map={MAP}\n" for address in controllers.values()
    )
    ident = "".join(f'{MAP} "{name}" hanok\n' for name in controllers)
    changed = False
    for path, text in ((folder(cloud) / "hba.conf", hba), (folder(cloud) / "ident.conf", ident)):
        if not path.exists() or path.read_text() != text:
            write_whole(path, text, mode=0o600, owner=uid)
            changed = True
    return changed


_BACKEND = re.compile(r"hanok hanok ([0-9.]+)\(\d+\)")  # as the server names its processes


def hang_up_but(server: int, addresses: Collection[str]) -> None:
    """End what other machines' control processes have open here, but for those at these addresses.

    Args:
        server: the server's process.
    """
    for pid in processes.children(server):
        found = _BACKEND.search(" ".join(processes.arguments(pid)))
        if found is not None and found[1] not in addresses:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)


def write_files(cloud: Cloud) -> None:
    """The folder of its socket is there: it is gone when the machine was started anew."""
    if not is_made(cloud):
        return
    uid, gid = user()
    _sockets(cloud).mkdir(parents=True, exist_ok=True)
    _sockets(cloud).chmod(0o755)  # who connects has the password
    os.chown(_sockets(cloud), uid, gid)
    if not (folder(cloud) / "ident.conf").exists():
        admit(cloud, {})


def make(cloud: Cloud) -> None:
    """There is a server with an empty database; it does not run yet. Again does no harm.

    Raises:
        NotMade: PostgreSQL's programs are missing, or refuse.
    """
    if is_made(cloud):
        write_files(cloud)
        return
    found = programs()
    if found is None:
        raise NotMade(f"PostgreSQL's server is not installed below {PROGRAMS}")
    uid, gid = user()
    new, password = folder(cloud) / "new", secrets.token_urlsafe(24)
    shutil.rmtree(new, ignore_errors=True)  # of one that was broken off
    folder(cloud).mkdir(exist_ok=True)
    folder(cloud).chmod(0o711)
    new.mkdir(mode=0o700)
    os.chown(new, uid, gid)
    write_whole(folder(cloud) / "password", password + "\n", mode=0o600)
    locale = ("-A", "reject", "-E", "UTF8", "--locale=C.UTF-8", "-U", USER)
    _run(found / "initdb", "-D", str(new), *locale, uid=uid, gid=gid)
    statements = (
        f"CREATE ROLE hanok LOGIN PASSWORD '{password}'\n"
        "CREATE DATABASE hanok OWNER hanok TEMPLATE template0\n"
    )
    single = ("--single", "-D", str(new), "postgres")
    _run(found / "postgres", *single, uid=uid, gid=gid, told=statements)
    new.rename(_data(cloud))
    write_files(cloud)


def _run(program: Path, *words: str, uid: int, gid: int, told: str = "") -> None:
    """Raises NotMade when the program says no."""
    done = subprocess.run(
        [str(program), *words],
        input=told,
        capture_output=True,
        text=True,
        user=uid,
        group=gid,
        extra_groups=[],
        cwd="/",
        env=processes.environment(LC_ALL="C.UTF-8"),
        timeout=MAKE_S,
    )
    trouble = [line for line in done.stderr.splitlines() if "ERROR" in line or "FATAL" in line]
    if done.returncode or trouble:
        last = (trouble or done.stderr.strip().splitlines() or ["it gave no reason"])[-1]
        raise NotMade(f"{program.name}: {last}")


def forget(cloud: Cloud) -> None:
    """Nothing of it is left; it does not run any longer."""
    shutil.rmtree(folder(cloud), ignore_errors=True)

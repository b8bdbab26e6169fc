"""What the QEMU of this host can make a guest of: asked once of QEMU itself, and of what is installed beside it.

Source: QEMU QMP reference ("query-machines", "qom-list-types", "query-cpu-model-expansion"), and the descriptions of
firmware that it looks for (docs/interop/firmware.json).
"""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from hanok.base import programs
from hanok.drivers.qemu.errors import StartFailed
from hanok.drivers.qemu.hardware import Firmware

LIMIT_S = 30.0  # it answers within half a second where the host is quiet
LINE_BYTES = 1 << 22  # the list of machines is one line
FIRMWARE_FOLDERS = (Path("/etc/qemu/firmware"), Path("/usr/share/qemu/firmware"))
TPM = "swtpm"
_QUESTIONS = ("query-machines", "qom-list-types", "query-cpu-model-expansion")


@dataclass(frozen=True)
class FirmwareFile(Firmware):
    """A firmware and the machines it is for, as patterns of their names."""

    machines: tuple[str, ...] = ()


@dataclass(frozen=True)
class Capabilities:
    """What a guest here can be made of.

    Args:
        machines: by every name of a machine type, the name that says its version.
        devices: of QEMU, by type. cpu_flags: what a guest's processors can do.
        firmwares: in the order in which they are to be taken. tpm_versions: "1.2", "2.0".
    """

    machines: Mapping[str, str] = field(default_factory=dict)
    devices: frozenset[str] = frozenset()
    cpu_flags: frozenset[str] = frozenset()
    firmwares: tuple[FirmwareFile, ...] = ()
    tpm_versions: tuple[str, ...] = ()

    def firmware(self, machine: str, *, secure: bool) -> FirmwareFile | None:
        """The first that is for this machine and holds guests to signed boot loaders, or does not."""
        for one in self.firmwares:
            if one.secure == secure and any(fnmatchcase(machine, name) for name in one.machines):
                return one
        return None


async def ask(binary: str, accelerator: str) -> Capabilities:
    """Find out what this host's QEMU can do.

    Raises:
        StartFailed: it does not start, or does not answer in time.
    """
    try:
        async with asyncio.timeout(LIMIT_S):
            machines, types, cpu = await _questions(binary, accelerator)
            versions = await _tpm_versions()
    except (OSError, TimeoutError, ValueError, LookupError) as error:
        raise StartFailed(f"{binary} does not say what it can do", detail=repr(error)) from error
    firmwares = await asyncio.to_thread(lambda: tuple(find_firmwares(FIRMWARE_FOLDERS)))
    names = {one["name"]: one["name"] for one in machines}
    aliases = {one["alias"]: one["name"] for one in machines if "alias" in one}
    flags = cpu["model"]["props"]
    return Capabilities(
        machines={**names, **aliases},
        devices=frozenset(one["name"] for one in types),
        cpu_flags=frozenset(name for name, value in flags.items() if value is True),
        firmwares=firmwares,
        tpm_versions=versions,
    )


async def _questions(binary: str, accelerator: str) -> list[Any]:
    kvm = accelerator == "kvm"
    process = await asyncio.create_subprocess_exec(
        *(binary, "-machine", f"none,accel={'kvm' if kvm else 'tcg'}", "-S", "-nodefaults"),
        *("-no-user-config", "-display", "none", "-qmp", "stdio"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        limit=LINE_BYTES,
    )
    model: dict[str, object] = {"type": "full", "model": {"name": "host" if kvm else "max"}}
    arguments: list[dict[str, object]] = [{}, {"implements": "device"}, model]
    try:
        await _read(process)  # its greeting
        await _told(process, "qmp_capabilities", {})
        return [await _told(process, *one) for one in zip(_QUESTIONS, arguments, strict=True)]
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _told(
    process: asyncio.subprocess.Process, command: str, arguments: Mapping[str, object]
) -> Any:
    """Raises LookupError when it is refused."""
    assert process.stdin is not None
    question = json.dumps({"execute": command, "arguments": arguments})
    process.stdin.write(question.encode() + b"\n")
    while True:
        answer = await _read(process)
        if "event" not in answer:
            return answer["return"]


async def _read(process: asyncio.subprocess.Process) -> Any:
    assert process.stdout is not None
    return json.loads(await process.stdout.readline())


async def _tpm_versions() -> tuple[str, ...]:
    if shutil.which(TPM) is None:
        return ()
    try:
        answer = await programs.run(
            TPM, "socket", "--tpm2", "--print-capabilities", within_s=LIMIT_S
        )
        features = set(json.loads(answer.out)["features"])
    except (OSError, ValueError, LookupError, TypeError):
        return ()
    # One that does not say it is older than its second version, and can do both.
    known = {"1.2": "tpm-1.2", "2.0": "tpm-2.0"}
    said = tuple(version for version, name in known.items() if name in features)
    return said or tuple(known)


def find_firmwares(folders: Iterable[Path]) -> Iterable[FirmwareFile]:
    """UEFI firmwares for x86_64 whose files are there; of two descriptions of one name the first folder's counts."""
    described: dict[str, Path] = {}
    for folder in folders:
        for path in sorted(folder.glob("*.json")):
            described.setdefault(path.name, path)
    for _, path in sorted(described.items()):
        try:
            found = _firmware(json.loads(path.read_bytes()))
        except (OSError, ValueError, LookupError, TypeError):
            continue  # not ours, or of a form that we do not know
        if found is not None:
            yield found


def _firmware(described: Any) -> FirmwareFile | None:
    mapping, features = described["mapping"], set(described["features"])
    code, variables = mapping["executable"], mapping.get("nvram-template")
    plain = mapping["device"] == "flash" and variables and code["format"] == "raw"
    if not plain or variables["format"] != "raw" or "uefi" not in described["interface-types"]:
        return None
    # It could hold guests to signatures, but has no keys to hold them to.
    keyless = "secure-boot" in features and "enrolled-keys" not in features
    machines = [
        name
        for target in described["targets"]
        if target["architecture"] == "x86_64"
        for name in target["machines"]
    ]
    files = code["filename"], variables["filename"]
    if keyless or not machines or not all(Path(one).is_file() for one in files):
        return None
    return FirmwareFile(
        *files,
        secure="secure-boot" in features,
        smm="requires-smm" in features,
        machines=tuple(machines),
    )

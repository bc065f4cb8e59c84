"""What a task's process gives up: other processes, the network, files, its user and its rights.

These are functions of the Linux kernel that need no service and no program. Each of them can be refused, in containers
above all; `uws.tasks.cell` tries once which work here, and says which do not.
"""

from __future__ import annotations

import ctypes
import os
import pwd
import resource
import stat
import struct
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

CLONE_NEWNS = 0x00020000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

_MS_RDONLY, _MS_NOSUID, _MS_NODEV, _MS_NOEXEC = 1, 2, 4, 8
_MS_BIND, _MS_REC, _MS_PRIVATE = 1 << 12, 1 << 14, 1 << 18
_AT_RECURSIVE = 0x8000
_SYS_MOUNT_SETATTR = 442
_PR_SET_PDEATHSIG = 1
_PR_SET_NAME = 15
_PR_CAPBSET_DROP = 24
_PR_SET_CHILD_SUBREAPER = 36
_PR_SET_NO_NEW_PRIVS = 38
_CAPABILITIES_VERSION_3 = 0x20080522

WORK = Path("/tmp/task")  # noqa: S108  # a folder of its own namespace
"""Where a task finds its scratch folder when it has a view of the files of its own."""
USER = "nobody"
"""Whom a task runs as when the stack runs as root."""
OPEN_FILES = 1024
PROCESSES = 4096
"""Processes and threads of one user; all tasks of a machine share them, `uws.tasks.keeper` counts those of one."""
NICENESS = 5
OOM_SCORE = 500
"""Added to how gladly the kernel ends a process when memory is short."""

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)


def _prctl(option: int, value: int | bytes = 0) -> None:
    argument = value if isinstance(value, bytes) else ctypes.c_ulong(value)
    _check(_libc.prctl(option, argument, 0, 0, 0), f"prctl {option}")


def unshare(flags: int) -> None:
    """Leave namespaces for new ones."""
    _check(_libc.unshare(flags), f"unshare {flags:#x}")


def return_to(namespace: int, kind: int) -> None:
    """Have children be born in a namespace, given by an open file, again."""
    _check(_libc.setns(namespace, kind), f"setns {kind:#x}")


def enter_user_namespace() -> None:
    """Become, as an ordinary user, the lord of a namespace of users, in which the other namespaces can be made."""
    user, group = os.geteuid(), os.getegid()
    unshare(CLONE_NEWUSER)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
    Path("/proc/self/gid_map").write_text(f"{group} {group} 1")


def die_with_parent(number: int) -> None:
    """Have the kernel send a signal to this process when the thread that started it ends."""
    _prctl(_PR_SET_PDEATHSIG, number)


def adopt_orphans() -> None:
    """Become the parent of all descendants whose parents end."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def call_itself(name: str) -> None:
    """Set the name that ``ps`` shows, of which the kernel keeps 15 bytes."""
    _prctl(_PR_SET_NAME, name.encode()[:15] + b"\0")


# Files


def code_paths() -> tuple[Path, ...]:
    """Return the folders from which this process can import, outermost ones only."""
    found = {
        Path(sys.prefix),
        Path(sys.base_prefix),
        Path(sys.executable).parent,
        Path(sys.executable).resolve().parent,
    }
    found |= {Path(entry) for entry in sys.path if entry}
    found |= {  # what stands elsewhere, such as packages installed for editing
        Path(file).parent
        for name, module in list(sys.modules.items())
        if "." not in name and (file := getattr(module, "__file__", None))
    }
    known = {Path(os.path.realpath(path)) for path in found} | {path.absolute() for path in found}
    existing = sorted(path for path in known if os.path.exists(path) and path != Path("/"))
    return tuple(path for path in existing if not any(other in path.parents for other in existing))


def closed_to_others(paths: Iterable[Path]) -> tuple[Path, ...]:
    """Return the outermost folders above these paths through which other users cannot go."""
    found = set()
    for path in paths:
        for folder in reversed(path.parents):
            if not folder.stat().st_mode & stat.S_IXOTH:
                found.add(folder)
                break
    return tuple(sorted(found))


def separate_files() -> None:
    """Take a copy of the table of mounts."""
    unshare(CLONE_NEWNS | CLONE_NEWIPC)
    _mount(None, "/", None, _MS_REC | _MS_PRIVATE)


def cover(path: Path, keep: Sequence[Path]) -> None:
    """Hide what is in a folder, but for the paths in it that are to be kept; a file is hidden as well."""
    if not os.path.exists(path):  # or it is closed to us, and then to the task
        return
    if not path.is_dir():
        _mount("/dev/null", path, None, _MS_BIND)
        return
    kept = [(inner, os.open(inner, os.O_PATH)) for inner in keep if path in inner.parents and os.path.exists(inner)]
    _mount("tmpfs", path, "tmpfs", _MS_NOSUID | _MS_NODEV, "size=1m,mode=755")
    for inner, descriptor in kept:
        show(inner, descriptor)
        os.close(descriptor)


def show(path: Path, descriptor: int) -> None:
    """Make a folder or file that is open appear under a path."""
    if stat.S_ISDIR(os.fstat(descriptor).st_mode):
        path.mkdir(parents=True, exist_ok=True)
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    _mount(f"/proc/self/fd/{descriptor}", path, None, _MS_BIND | _MS_REC)


def mount_proc() -> None:
    """Have /proc show the processes of this namespace."""
    _mount("proc", "/proc", "proc", _MS_NOSUID | _MS_NODEV | _MS_NOEXEC)


def protect_files() -> None:
    """Make all mounts read-only but the task's own folder."""
    _set_mounts("/", set_flags=_MS_RDONLY, recursive=True)
    _set_mounts(WORK, clear_flags=_MS_RDONLY)


def mount_shared_memory(size: int) -> None:
    """Give /dev/shm a content of its own, of a limited size."""
    _mount("tmpfs", "/dev/shm", "tmpfs", _MS_NOSUID | _MS_NODEV, f"size={size},mode=1777")  # noqa: S108


def _mount(source: str | None, target: str | Path, kind: str | None, flags: int, options: str | None = None) -> None:
    encoded = [None if text is None else str(text).encode() for text in (source, target, kind, options)]
    result = _libc.mount(encoded[0], encoded[1], encoded[2], ctypes.c_ulong(flags), encoded[3])
    _check(result, f"mount {target}")


def _set_mounts(path: str | Path, *, set_flags: int = 0, clear_flags: int = 0, recursive: bool = False) -> None:
    attributes = struct.pack("QQQQ", set_flags, clear_flags, 0, 0)
    flags = _AT_RECURSIVE if recursive else 0
    result = _libc.syscall(
        ctypes.c_long(_SYS_MOUNT_SETATTR), -100, str(path).encode(), flags, attributes, ctypes.c_size_t(len(attributes))
    )
    _check(result, "mount_setattr")


# Rights


def unprivileged() -> tuple[int, int] | None:
    """Return the user and group that a task gets; None where it keeps ours, who are not root."""
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam(USER)
    except KeyError:
        return 65534, 65534
    return entry.pw_uid, entry.pw_gid


def become(user: int, group: int) -> None:
    """Become another user, for good."""
    os.setgroups([])
    os.setresgid(group, group, group)
    os.setresuid(user, user, user)


def drop_rights() -> None:
    """Give up all capabilities, and the means to get any."""
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    for capability in range(64):
        with suppress(OSError):  # those that the kernel does not know, or that nobody can give up without them
            _prctl(_PR_CAPBSET_DROP, capability)
    header = struct.pack("Ii", _CAPABILITIES_VERSION_3, 0)
    _check(_libc.capset(header, bytes(24)), "capset")


def limit_resources(*, file_size: int, processes: bool) -> None:
    """Set the kernel's limits of this process and its children; that of processes counts all of the same user."""
    wanted = {resource.RLIMIT_CORE: 0, resource.RLIMIT_NOFILE: OPEN_FILES, resource.RLIMIT_FSIZE: file_size}
    if processes:
        wanted[resource.RLIMIT_NPROC] = PROCESSES
    for kind, most in wanted.items():
        _, hard = resource.getrlimit(kind)
        value = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (value, value))


def step_back() -> None:
    """Let others go first: the processor, and life when memory is short."""
    os.nice(NICENESS)
    with suppress(OSError):  # a container may not show it
        Path("/proc/self/oom_score_adj").write_text(str(OOM_SCORE))

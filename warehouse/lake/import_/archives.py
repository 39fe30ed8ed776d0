"""Open what people have: one file, a zip, a tar; every byte that is read counts against a limit.

Members are read as streams and never written under their own names, so a name such as `../x` reaches no folder.
"""

from __future__ import annotations

import errno
import gzip
import io
import lzma
import shutil
import tarfile
import zipfile
import zlib
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

from connectors.printable import printable
from warehouse.lake.import_.types import FileRefusedError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAX_MEMBERS = 500_000
MAX_MEMBER_BYTES = 4 << 30
MAX_RATIO = 250
"""Compressed text shrinks to a twentieth, a bomb to a thousandth."""
RATIO_FROM = 64 << 20
"""Below this size the ratio does not matter: a small file of spaces is no attack."""
MAX_TAR_BYTES = 64 << 30
READABLE = (
    ".csv",
    ".tsv",
    ".txt",
    ".json",
    ".jsonl",
    ".ndjson",
    ".js",
    ".xlsx",
    ".xls",
    ".ods",
    ".car",
    ".parquet",
)
_CHUNK = 1 << 20

_BROKEN = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    NotImplementedError,
    gzip.BadGzipFile,
)


class Archive:
    """The files of one upload by name; a plain file is an archive of one member."""

    def __init__(
        self, path: Path, members: dict[str, Path | zipfile.ZipInfo], file: zipfile.ZipFile | None
    ) -> None:
        self.path = path
        self.members = members
        self.is_plain = False
        self.all_names: list[str] = list(members)
        """Also those that no reader wants: pictures, web pages."""
        self._zip = file

    def find(self, *endings: str) -> list[str]:
        """Return the members whose path ends with one of the texts, in order of name; case does not matter."""
        return sorted(name for name in self.members if name.lower().replace("\\", "/").endswith(endings))

    @contextmanager
    def open(self, name: str) -> Iterator[IO[bytes]]:
        """Open one member as a stream with a limit. Raises FileRefusedError, also while the stream is read."""
        member = self.members[name]
        with refuse_broken(self.path):
            if not isinstance(member, zipfile.ZipInfo):
                with member.open("rb") as file:
                    yield file
                return
            if self._zip is None:
                raise FileRefusedError(f"{shown(self.path)} was closed")
            with self._zip.open(member) as compressed:
                limited = _Limited(compressed, self.path, name, member.compress_size)
                yield io.BufferedReader(limited, _CHUNK)  # type: ignore[type-var]  # read only

    def head(self, name: str, size: int = 65_536) -> bytes:
        """Return the first bytes of a member."""
        with self.open(name) as file:
            return file.read(size)

    def extract(self, name: str, folder: Path) -> Path:
        """Copy a member to a file with a name of ours; a plain file is its own copy."""
        member = self.members[name]
        if not isinstance(member, zipfile.ZipInfo):
            return member
        target = folder / f"member-{len(list(folder.iterdir()))}"
        with self.open(name) as source, target.open("wb") as file:
            shutil.copyfileobj(source, file, _CHUNK)
        return target

    def close(self) -> None:
        """Close the archive."""
        if self._zip is not None:
            self._zip.close()


class _Limited(io.RawIOBase):
    """A member of a zip, read up to a limit in bytes and in ratio."""

    def __init__(self, source: IO[bytes], path: Path, name: str, compressed: int) -> None:
        self._source = source
        self._path = path
        self._name = name
        self._limit = min(MAX_MEMBER_BYTES, max(RATIO_FROM, compressed * MAX_RATIO))
        self._read = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]  # only called by io
        data = self._source.read(len(buffer))
        self._read += len(data)
        if self._read > self._limit:
            raise FileRefusedError(
                f"{shown(self._path)} holds {shown(self._name)}, which unpacks to more than "
                f"{self._limit >> 20:,} MB: it is damaged or made to fill disks; unpack it yourself if you trust it"
            )
        buffer[: len(data)] = data
        return len(data)


@contextmanager
def refuse_broken(path: Path) -> Iterator[None]:
    """Turn every error of a damaged or encrypted archive into a refusal."""
    try:
        yield
    except _BROKEN as error:
        raise FileRefusedError(
            f"{shown(path)} is a damaged or incomplete archive ({printable(str(error))[:100] or 'it ends early'}): "
            "download it again"
        ) from error
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise  # the disk of this machine is full: the file may be sound
        raise FileRefusedError(
            f"{shown(path)} cannot be read to its end ({error.strerror or error}): download it again"
        ) from error
    except RuntimeError as error:  # zipfile's word for an encrypted member
        if "password" not in str(error) and "encrypted" not in str(error):
            raise
        raise FileRefusedError(
            f"{shown(path)} is an archive with a password: unpack it and import the file inside"
        ) from error


def open_plain(path: Path) -> Archive:
    """Return a file as an archive of itself."""
    archive = Archive(path, {path.name: path}, None)
    archive.is_plain = True
    return archive


def open_zip(path: Path) -> Archive:
    """Open a zip. Raises FileRefusedError: damaged, encrypted, too many members."""
    with refuse_broken(path):
        try:
            file = zipfile.ZipFile(path)
        except (ValueError, OverflowError, UnicodeDecodeError) as error:
            raise zipfile.BadZipFile(str(error)) from error
    infos = file.infolist()
    if len(infos) > MAX_MEMBERS:
        file.close()
        raise FileRefusedError(
            f"{shown(path)} holds {len(infos):,} files: unpack it and import the one with posts"
        )
    readable = {
        info.filename: info
        for info in infos
        if not info.is_dir() and info.filename.lower().endswith(READABLE) and not _is_shadow(info.filename)
    }
    if readable and all(info.flag_bits & 1 for info in readable.values()):
        file.close()
        raise FileRefusedError(
            f"{shown(path)} is an archive with a password: unpack it and import the file inside"
        )
    archive = Archive(path, {}, file)
    archive.members.update(readable)
    archive.all_names = [info.filename for info in infos]
    return archive


def open_tar(path: Path, folder: Path) -> Archive:
    """Read a tar (plain, gz, bz2, xz) once and copy its readable members to files of ours."""
    members: dict[str, Path | zipfile.ZipInfo] = {}
    total = 0
    with refuse_broken(path), tarfile.open(path, mode="r|*") as tar:
        for number, member in enumerate(tar):
            total += member.size
            if number > MAX_MEMBERS or total > MAX_TAR_BYTES:
                raise FileRefusedError(
                    f"{shown(path)} is too large: unpack it and import the file with the posts"
                )
            name = member.name
            if not member.isfile() or not name.lower().endswith(READABLE) or _is_shadow(name):
                continue
            if member.size > MAX_MEMBER_BYTES:
                raise FileRefusedError(f"{shown(path)} holds {shown(name)} of more than 4 GB")
            source = tar.extractfile(member)
            if source is None:
                continue
            target = folder / f"tar-{len(members)}"
            with target.open("wb") as file:
                shutil.copyfileobj(source, file, _CHUNK)
            if target.stat().st_size < member.size:
                raise EOFError
            members[name] = target
    return Archive(path, members, None)


def unzip_single(path: Path, folder: Path) -> Path:
    """Unpack a .gz of one file into the folder."""
    target = folder / "unpacked"
    limit = min(MAX_MEMBER_BYTES, max(RATIO_FROM, path.stat().st_size * MAX_RATIO))
    done = 0
    with refuse_broken(path), gzip.open(path) as source, target.open("wb") as file:
        while chunk := source.read(_CHUNK):
            done += len(chunk)
            if done > limit:
                raise FileRefusedError(
                    f"{shown(path)} unpacks to more than {limit >> 20:,} MB: it is damaged"
                )
            file.write(chunk)
    return target


def _is_shadow(name: str) -> bool:
    """Return whether macOS put this file beside the real one."""
    return name.startswith("__MACOSX/") or name.rpartition("/")[2].startswith("._")


def shown(name: object) -> str:
    """Return a file's name for a message: escaped, and not longer than a line."""
    text = printable(getattr(name, "name", None) or str(name))
    return text if len(text) <= 120 else text[:60] + "..." + text[-50:]

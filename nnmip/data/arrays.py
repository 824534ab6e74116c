"""Reads NPY and NPZ files: plain arrays of numbers and texts, nothing pickled, sizes checked before loading."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from io import BytesIO
from math import prod
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from nnmip.data.files import FROM_MODEL, KEEP_LESS, check_file, reason, unreadable
from nnmip.diagnostics import Diagnostic, DiagnosticError
from nnmip.records import dataclass
from nnmip.sizes import CELL, ENTRY, UNASKED, Allowance, counted, in_bytes
from nnmip.source import Span
from nnmip.syntax.suggest import closest

if TYPE_CHECKING:
    from zipfile import ZipFile, ZipInfo

AnyArray = NDArray[Any]
PLAIN_KINDS = "biufUS"
MOST_ARRAYS = 1000
_ENTRY = b"PK\x01\x02"
"""What an entry in the directory of a ZIP archive starts with."""
_CHUNK = 2**20
_LONGEST_HEADER = 2**16
_MOST_AXES = 32
_SHOWN_ARRAYS = 12


@dataclass(frozen=True, slots=True)
class ArrayHeader:
    """What the head of an NPY file says of the array in it."""

    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype[Any]

    @property
    def is_plain(self) -> bool:
        """Whether the entries are numbers or texts, or records of such in a vector."""
        parts = [self.dtype] if self.dtype.names is None else [self.dtype[name] for name in self.dtype.names]
        is_table = self.dtype.names is None or len(self.shape) == 1
        return is_table and all(part.kind in PLAIN_KINDS and part.subdtype is None for part in parts)

    @property
    def cells(self) -> int:
        return prod(self.shape) * len(self.dtype.names or (None,))

    @property
    def size(self) -> int:
        return prod(self.shape) * self.dtype.itemsize

    @property
    def needed(self) -> int:
        """What the array counts once it is read, in bytes: texts become objects of their own."""
        return self.size + self.cells * (ENTRY if self.dtype.kind in "biuf" else CELL)


Choice = Callable[[Mapping[str, ArrayHeader]], Iterable[str]]
"""From the heads of the arrays in an archive to the names of those to load."""


def read_npy(
    path: Path, span: Span, base: str = FROM_MODEL, allowance: Allowance = UNASKED, header_only: bool = False
) -> AnyArray:
    """The array in the NPY file at `path`; `span` is the place in the model that asks for it, `base` says where paths
    start. Raises DiagnosticError at `span`: NNM0501 for a file that is not one or has an array of another kind, NNM0310
    for an array that is larger than is allowed. With `header_only` the array has the right shape and type, and no
    entry was read.
    """
    check_file(path, span, "NPY", base)
    try:
        with path.open("rb") as stream:
            if stream.read(4).startswith(b"PK"):
                message = f"`{path.name}` is an archive of arrays, not a single one"
                raise unreadable(message, span, help='read it with `npz("FILE", "NAME")`')
            stream.seek(0)
            header = _header(stream, f"`{path.name}`", span)
            return _load(None if header_only else stream, header, f"`{path.name}`", span, allowance)
    except OSError as error:
        raise unreadable(f"`{path}` cannot be read", span, reason(error)) from None


def read_npz(
    path: Path,
    span: Span,
    choose: Choice,
    base: str = FROM_MODEL,
    allowance: Allowance = UNASKED,
    header_only: bool = False,
) -> dict[str, AnyArray]:
    """The arrays in the NPZ file at `path` that `choose` names, as for `read_npy`."""
    from zipfile import ZipFile

    size = check_file(path, span, "NPZ", base)
    allowance.check(size, 1, f"`{path.name}`", span, help=KEEP_LESS)
    try:
        if _entries(path) > MOST_ARRAYS:
            raise unreadable(f"`{path.name}` has more than {MOST_ARRAYS} arrays", span)
        with ZipFile(path) as archive:
            return _Archive(archive, path.name, span, allowance, header_only).load(choose)
    except OSError as error:
        raise unreadable(f"`{path}` cannot be read", span, reason(error)) from None
    except DiagnosticError:
        raise
    except Exception:  # whatever zipfile and zlib raise for a damaged archive means the same
        raise _not_npz(path, span) from None


def unknown_array(name: str, known: Iterable[str], source: str, span: Span) -> DiagnosticError:
    """The exception NNM0502 for a name that no array of an archive has."""
    names = list(known)
    near = closest(name, names)
    listed = ", ".join(f"`{known}`" for known in names[:_SHOWN_ARRAYS])
    note = f"its arrays are {listed}" if names else "it has no arrays"
    help = f"did you mean `{near}`?" if near else ""
    message = f"`{source}` has no array `{name}`"
    return DiagnosticError([Diagnostic("NNM0502", message, span, "unknown array", help=help, note=note)])


@dataclass(frozen=True, slots=True)
class _Archive:
    """An open NPZ archive: `X.npy` in it is the array `X`."""

    archive: ZipFile
    source: str
    span: Span
    allowance: Allowance
    header_only: bool

    def load(self, choose: Choice) -> dict[str, AnyArray]:
        from zipfile import ZIP_DEFLATED, ZIP_STORED

        members = {m.filename.removesuffix(".npy"): m for m in self.archive.infolist() if m.filename.endswith(".npy")}
        for member in members.values():
            if member.compress_type not in (ZIP_STORED, ZIP_DEFLATED) or member.flag_bits & 1:
                raise unreadable(f"`{self.source}` is compressed in another way than NPZ files are", self.span)
        headers: dict[str, ArrayHeader] = {}
        for name, member in members.items():
            with self.archive.open(member) as stream:
                headers[name] = self._header(stream, name, member)
        chosen = list(dict.fromkeys(choose(headers)))
        _check_size([headers[n] for n in chosen], f"`{self.source}`", self.span, self.allowance)
        return {name: self._load(name, members[name]) for name in chosen}

    def _load(self, name: str, member: ZipInfo) -> AnyArray:
        with self.archive.open(member) as stream:
            header = self._header(stream, name, member)
            rest = None if self.header_only else stream
            return _load(rest, header, self._called(name), self.span, self.allowance)

    def _header(self, stream: IO[bytes], name: str, member: ZipInfo) -> ArrayHeader:
        header = _header(stream, self._called(name), self.span)
        if header.size > member.file_size:
            raise _truncated(self._called(name), self.span)
        return header

    def _called(self, name: str) -> str:
        return f"`{name}` in `{self.source}`"


def _header(stream: IO[bytes], called: str, span: Span) -> ArrayHeader:
    """The header at the start of a stream, which is left behind it."""
    try:
        readers = {(1, 0): (2, npy.read_array_header_1_0), (2, 0): (4, npy.read_array_header_2_0)}
        width, reader = readers[npy.read_magic(stream)]
        length = stream.read(width)
        if int.from_bytes(length, "little") > _LONGEST_HEADER:
            raise ValueError(length)
        shape, fortran, dtype = reader(BytesIO(length + stream.read(int.from_bytes(length, "little"))))
        sizes = tuple(int(size) for size in shape)
        if any(size < 0 for size in sizes) or len(sizes) > _MOST_AXES:
            raise ValueError(sizes)
    except OSError:
        raise
    except Exception:  # whatever NumPy raises for another file means the same
        raise unreadable(f"{called} is not an array in NPY format", span, help="save it with `numpy.save`") from None
    return ArrayHeader(sizes, bool(fortran), dtype)


def _check_type(header: ArrayHeader, called: str, span: Span) -> None:
    dtype = header.dtype
    if dtype.hasobject:
        message = f"{called} holds Python objects, and reading these could run code"
        help = "save it as numbers, `array.astype(float)`, or as texts, `array.astype(str)`"
        raise unreadable(message, span, "pickled objects", help=help)
    if not header.is_plain:
        message = f"{called} holds `{dtype}`, and not numbers or texts"
        raise unreadable(f"{message:.150}", span, help="save it as numbers: `array.astype(float)`")


def _load(stream: IO[bytes] | None, header: ArrayHeader, called: str, span: Span, allowance: Allowance) -> AnyArray:
    """The array behind its header; without a stream one of its shape and type that takes no memory."""
    _check_type(header, called, span)
    _check_size([header], called, span, allowance)
    if stream is None:
        return np.broadcast_to(np.zeros((), header.dtype), header.shape)
    content = stream.read(header.size)
    if len(content) < header.size:
        raise _truncated(called, span)
    if not header.dtype.itemsize:
        return np.zeros(header.shape, header.dtype)
    flat = np.frombuffer(content, header.dtype)
    return flat.reshape(header.shape, order="F" if header.fortran else "C")


def _check_size(headers: Sequence[ArrayHeader], called: str, span: Span, allowance: Allowance) -> None:
    """NNM0310 for arrays that are larger together than is allowed, before any of them is read."""
    entries = counted(sum(header.cells for header in headers), "entry", "entries")
    what = f"{called}, {entries} in {in_bytes(sum(header.size for header in headers))},"
    allowance.check(1, sum(header.needed for header in headers), what, span, help=KEEP_LESS)


def _entries(path: Path) -> int:
    """At least as many as the directory of a ZIP archive has entries, found without building the directory."""
    found, rest = 0, b""
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            found += (rest + chunk).count(_ENTRY)
            rest = chunk[1 - len(_ENTRY) :]
    return found


def _truncated(called: str, span: Span) -> DiagnosticError:
    return unreadable(f"{called} ends before its last entry", span, "a truncated array", help="save it again")


def _not_npz(path: Path, span: Span) -> DiagnosticError:
    with path.open("rb") as stream:
        is_npy = stream.read(len(npy.MAGIC_PREFIX)) == npy.MAGIC_PREFIX
    if is_npy:
        message = f"`{path.name}` is a single array, not an archive"
        return unreadable(message, span, help='read it with `npy("FILE")`')
    return unreadable(f"`{path.name}` is not an NPZ archive, or damaged", span, help="save it with `numpy.savez`")

"""Uploaded media for connectors: their bytes, or an address from which a platform can fetch them."""

from __future__ import annotations

from contextlib import contextmanager
from functools import cached_property
from typing import IO, TYPE_CHECKING

from connectors.content.media_types import SNIFFED_BYTES, sniff_type
from connectors.content.pictures import fit_picture
from connectors.errors import ContentRejectedError, UnavailableError
from warehouse.errors import NotFoundError
from warehouse.media_files import name_fitted, open_media_files
from warehouse.store.posts.media import public_path

if TYPE_CHECKING:
    from collections.abc import Iterator

    from connectors.types import FitRule
    from warehouse.media_files import MediaFiles
    from warehouse.settings import WarehouseSettings
    from warehouse.store.crypto import Cipher


class Uploads:
    """Implements connectors.http.media.UploadSource with the installation's media store."""

    def __init__(self, settings: WarehouseSettings, cipher: Cipher) -> None:
        self._settings = settings
        self._cipher = cipher

    @cached_property
    def _files(self) -> MediaFiles:
        return open_media_files(self._settings)

    @contextmanager
    def open(self, media_id: str) -> Iterator[IO[bytes]]:
        """Open an upload for reading. Raises ContentRejectedError (gone), UnavailableError."""
        try:
            with self._files.open(media_id) as file:
                yield file
        except NotFoundError as error:
            raise ContentRejectedError(f"{error.message}: upload it again") from None
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise UnavailableError(f"upload {media_id} could not be read ({reason})") from error

    def address_fitted(self, media_id: str, rule: FitRule) -> str:
        """Return the address of a picture that fits `rule`: the upload, or what it is converted into.

        Raises ContentRejectedError if it has none or cannot be converted, and UnavailableError.
        """
        self.address(media_id)  # where nothing can be fetched, nothing is converted
        return self.address(self._fit(media_id, rule))

    def address(self, media_id: str) -> str:
        """Return the address from which a platform can fetch an upload.

        Raises ContentRejectedError if it has none.
        """
        base = self._settings.media_public_url
        if base is None:
            raise ContentRejectedError(
                "the platform fetches media by address, but uploads have none: set SOCIALFLOW_MEDIA_PUBLIC_URL, or "
                "give the media's own address"
            )
        return base + public_path(self._cipher, media_id)

    def _fit(self, media_id: str, rule: FitRule) -> str:
        """Save what the upload is converted into, once, beside it; return its id, or the upload's if that fits."""
        fitted_id = name_fitted(media_id, rule)
        try:
            with self._files.open(fitted_id):
                return fitted_id
        except NotFoundError:
            pass
        except OSError as error:
            raise UnavailableError(
                f"upload {media_id} could not be read ({error.strerror or error})"
            ) from error
        with self.open(media_id) as file:
            made = fit_picture(file, sniff_type(file.read(SNIFFED_BYTES)), rule)
        if made is None:
            return media_id
        try:
            with made[0] as fitted:
                self._files.save(fitted_id, fitted)
        except OSError as error:
            raise UnavailableError(
                f"upload {media_id} could not be converted ({error.strerror or error})"
            ) from error
        return fitted_id

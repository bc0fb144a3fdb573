"""The Pillow plugin: after `import gencodec.pillow`, Pillow opens and saves .gnc files.

    >>> import gencodec.pillow
    >>> from PIL import Image
    >>> image = Image.open("photo.gnc")              # reads the header: no torch, no weights
    >>> image.draft("RGB", (200, 200))               # optional: decode a small preview only
    >>> image.save("copy.gnc", quality=70)

Whatever reads pictures through Pillow (imageio, scikit-image, ...) then reads them too.
"""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any

from PIL import Image, ImageFile

from gencodec.bitstream import ALPHA, EXIF, ICC, MAGIC, XMP, describe, inflate_metadata
from gencodec.bitstream.front import read_front
from gencodec.errors import FormatError, GencodecError
from gencodec.model.quality import DEFAULT_QUALITY

if TYPE_CHECKING:
    from gencodec.codec import Codec

FORMAT = "GNC"
MIME_TYPE = "image/x-gencodec"
EXTENSION = ".gnc"
DRAFT_SCALES = (8, 4, 2)
# Pillow refuses what is twice its own limit; a reader who lifted that limit has lifted this one.
_NO_LIMIT = 2**48


def register() -> None:
    """Tell Pillow of the format; importing this module has done it already."""
    Image.register_open(FORMAT, GencodecImageFile, _accept)
    Image.register_decoder("gencodec", GencodecDecoder)
    Image.register_save(FORMAT, _save)
    Image.register_extension(FORMAT, EXTENSION)
    Image.register_mime(FORMAT, MIME_TYPE)


class GencodecImageFile(ImageFile.ImageFile):
    """A .gnc file; `info` holds icc_profile, exif and xmp. Pixels are decoded when first used."""

    format = FORMAT
    format_description = "gencodec learned image codec"

    def _open(self) -> None:
        if self.fp is None:
            raise SyntaxError("no file to read from")
        begin = self.fp.tell()
        try:
            front = read_front(self.fp)  # type: ignore[arg-type]
        except GencodecError as error:
            raise SyntaxError(str(error)) from error
        header = front.header
        self._size = header.width, header.height
        alpha = "A" if front.section(ALPHA) is not None else ""
        self._mode = ("L" if header.grey else "RGB") + alpha
        for tag, name, prefix in (
            (ICC, "icc_profile", b""),
            (EXIF, "exif", b"Exif\0\0"),
            (XMP, "xmp", b""),
        ):
            payload = front.section(tag)
            if payload is None:
                continue
            try:
                self.info[name] = prefix + inflate_metadata(payload)
            except FormatError:
                continue  # loading the pixels will say that the file is damaged
        self.tile = [ImageFile._Tile("gencodec", (0, 0, *self._size), begin, (1,))]

    def load_seek(self, pos: int) -> None:
        """Seek as Pillow would anyway. A format that has this is not decoded piece by piece by
        `ImageFile.Parser`, which then waits for the whole file."""
        assert self.fp is not None
        self.fp.seek(pos)

    def verify(self) -> None:
        """Check every byte, decoding none; OSError where the file is damaged or cut.

        As of any format, the file has to be opened again for its pixels.
        """
        problem = None
        if self.fp is not None and self.tile:  # pixels that were loaded have been checked
            self.fp.seek(self.tile[0].offset)
            try:
                problem = describe(self.fp.read()).problem
            except GencodecError as error:
                problem = str(error)
        super().verify()
        if problem is not None:
            raise OSError(problem)

    def draft(
        self, mode: str | None, size: tuple[int, int] | None
    ) -> tuple[str, tuple[int, int, float, float]] | None:
        """Reduce by 2, 4 or 8, the most that leaves at least `size`; decoding then is quicker.

        mode is not changed. None, as for other formats, where there is nothing to reduce.
        """
        if size is None or len(self.tile) != 1 or self.tile[0].args != (1,):
            return None
        width, height = self._size
        for scale in DRAFT_SCALES:
            reduced = -(-width // scale), -(-height // scale)
            if reduced[0] >= size[0] and reduced[1] >= size[1]:
                self._size = reduced
                self.tile = [self.tile[0]._replace(extents=(0, 0, *reduced), args=(scale,))]
                return self.mode, (0, 0, width / scale, height / scale)
        return None


class GencodecDecoder(ImageFile.PyDecoder):
    """Decodes the whole stream at once; Pillow calls it when the pixels are first needed."""

    _pulls_fd = True

    def decode(self, buffer: Any) -> tuple[int, int]:
        """Fill the image. OSError for whatever is wrong with the stream."""
        if self.fd is None:
            raise OSError("no file to read from")
        limit = Image.MAX_IMAGE_PIXELS
        try:
            picture = _codec(None, "auto").decompress_picture(
                self.fd.read(),
                max_pixels=_NO_LIMIT if limit is None else 2 * limit,
                allow_truncated=ImageFile.LOAD_TRUNCATED_IMAGES,
                scale=self.args[0],
            )
        except GencodecError as error:
            raise OSError(str(error)) from error
        from gencodec.image import to_pil

        image = to_pil(picture)
        if image.mode != self.mode or image.size != (self.state.xsize, self.state.ysize):
            raise OSError("the file changed while it was open")
        self.set_as_raw(image.tobytes())
        return -1, 0


def _accept(prefix: bytes) -> bool:
    return prefix.startswith(MAGIC)


def _save(image: Image.Image, file: IO[bytes], filename: str | bytes) -> None:
    """Options: quality 0..100 (default 60), icc_profile, exif, xmp (bytes, or None to leave out;
    default: those of the image), model (a shipped name or a weights file) and device.

    Of the directory of a TIFF, which `getexif` gives for its EXIF, the photo's tags are taken.

    The picture is written upright, as every .gnc file is. OSError when it cannot be compressed.
    """
    from gencodec.image import DEFAULT_MAX_PIXELS, picture_from_pil
    from gencodec.image.metadata import PNG_XMP, exif_bytes

    options = dict(image.encoderinfo)
    shown = image.copy()
    for name in ("icc_profile", "exif", "xmp"):
        if name not in options:
            value: Any = image.getexif() if name == "exif" else None
            value = image.info.get(name, value)
        else:
            value = options[name]
        if isinstance(value, Image.Exif):
            value = exif_bytes(value)
        elif isinstance(value, (bytearray, memoryview)):
            value = bytes(value)
        shown.info.pop(name, None)
        if name == "exif":
            _forget_exif(shown)
        if name == "exif" or name in options:
            # As texts of a PNG hold them; those of EXIF are in what getexif gave.
            shown.info.pop(f"Raw profile type {name}", None)
        if name == "xmp" and name in options:
            shown.info.pop(PNG_XMP, None)
        if value:
            shown.info[name] = value
    quality = options.get("quality", DEFAULT_QUALITY)
    # No less than usual: while it holds, it is Pillow's limit in all threads.
    limit = max(image.width * image.height, DEFAULT_MAX_PIXELS)
    try:
        picture = picture_from_pil(shown, max_pixels=limit)
        codec = _codec(options.get("model"), options.get("device", "auto"))
        effort, tune = options.get("effort", 0), options.get("tune", "mse")
        file.write(codec.compress(picture, quality=quality, effort=effort, tune=tune))
    except GencodecError as error:
        raise OSError(str(error)) from error


def _forget_exif(image: Image.Image) -> None:
    # A copy carries the parsed block along, which would win over what is in `info`.
    image._exif = None


def _codec(model: Any, device: str) -> Codec:
    from gencodec.codec.kept import kept_codec

    return kept_codec(model, device)


register()

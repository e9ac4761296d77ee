"""Pictures as a caller has them: files, Pillow images, arrays, a framework's tensors; and the same kind back.

A framework is not imported here: where one of its tensors came in, it is loaded already. A plug-in may add kinds of
its own (`Reader`); batches (N, ...) are taken apart and stacked again.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import entry_points
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from nst.errors import ImageError
from nst.pictures.decoding import check_range, decode
from nst.pictures.picture import Picture, fill_hidden
from nst.pictures.reading import read_picture
from nst.pictures.writing import to_pil
from nst.settings import MAX_PIXELS

Layout: TypeAlias = Literal["chw", "hwc"]  # of a torch.Tensor: where its channels are

Restore: TypeAlias = Callable[[Picture], Any]
"""Turns a result into the kind of object that the input was; the size may differ."""


def from_object(
    obj: Any, longest: int | None = None, max_pixels: int = MAX_PIXELS
) -> tuple[Picture, Restore]:
    """Take a picture as the caller has it, and say how to give one back.

    Args:
        obj: one of

            - a path (str or os.PathLike), the bytes of a file, or an open binary file: read by `read_picture`; Pillow
              images come back;
            - a `Picture`, as it is; Pillow images come back;
            - a `PIL.Image.Image` of any mode, treated like a file: EXIF orientation, profile, alpha;
              RGB comes back, or RGBA where there was transparency;
            - a numpy array, (H, W), (H, W, 1), (H, W, 3) or (H, W, 4) sRGB with straight alpha, or such an
              array with a batch axis of 1 before it; uint8, uint16, or floats in [0, 1]. The same dtype
              comes back, (H, W, 3) or (H, W, 4), batch axis included, C-contiguous. The array is not changed;
            - an array of the same shapes and types of another library: JAX, CuPy, whatever has the array API's
              `__array_namespace__`, of which such an array comes back, or `__dlpack__`, of which numpy does;
            - what a plug-in reads, see `nst.pictures.kinds`.
        longest: the longest side in pixels that is needed of a file, see `read_picture`.
        max_pixels: how many pixels of a file may be held.

    Returns:
        The picture, and a function from a result to an object of the input's kind.

    Raises:
        ImageError: another type, shape, dtype or value range, or a file that cannot be read.
    """
    if isinstance(obj, (str, os.PathLike, bytes, bytearray, memoryview)) or hasattr(obj, "read"):
        return read_picture(obj, longest, max_pixels), to_pil
    if isinstance(obj, Picture):
        return obj, to_pil
    if isinstance(obj, Image.Image):
        return decode(obj, getattr(obj, "filename", "") or f"the {obj.mode} image"), to_pil
    if isinstance(obj, np.ndarray):
        return _from_array(obj)
    reader = reader_of(obj)
    if reader is not None:
        array, back = reader(obj)
        picture, restore = _from_array(array)
        return picture, lambda result: back(restore(result))
    if hasattr(obj, "__array_namespace__") or hasattr(obj, "__dlpack__"):
        return _from_foreign_array(obj)
    raise ImageError(
        f"cannot use what is of type {type(obj).__name__} as a picture; give a path, PIL image, array or tensor"
    )


def _from_array(array: NDArray[Any]) -> tuple[Picture, Restore]:
    batched = array.ndim == 4 and array.shape[0] == 1
    values = array[0] if batched else array
    values = values[..., None] if values.ndim == 2 else values
    _check_shape(array.shape, values.shape)
    dtype = array.dtype
    if dtype.kind == "f":
        values = check_range(values, float(values.min()), float(values.max()), f"the {dtype} array")
    elif dtype.kind == "u" and dtype.itemsize <= 2:
        values = values.astype(np.float32) / np.float32(np.iinfo(dtype).max)
    else:
        raise ImageError(f"cannot use an array of {dtype}; give uint8, uint16, or floats in [0, 1]")

    def restore(picture: Picture) -> NDArray[Any]:
        result = picture.rgb if picture.alpha is None else np.dstack([picture.rgb, picture.alpha])
        if dtype.kind == "u":
            result = np.rint(np.clip(result, 0, 1).astype(np.float64) * np.iinfo(dtype).max)
        return (result[None] if batched else result).astype(dtype, order="C")

    if values.shape[2] == 4:
        rgb, alpha = np.ascontiguousarray(values[..., :3]), np.ascontiguousarray(values[..., 3])
        return Picture(fill_hidden(rgb, alpha), alpha), restore
    return Picture(np.repeat(values, 3 // values.shape[2], axis=2)), restore


def _from_foreign_array(obj: Any) -> tuple[Picture, Restore]:
    """See the array API standard on `__array_namespace__` and `from_dlpack`."""
    try:
        host = np.asarray(obj)
    except TypeError:  # CuPy does not move anything to the host unasked
        host = obj.get()
    if host.dtype == object:  # numpy knows no way but DLPack
        host = np.from_dlpack(obj)
    if not hasattr(obj, "__array_namespace__"):
        return _from_array(host)
    namespace = obj.__array_namespace__()
    if host.dtype.kind == "V" and namespace.isdtype(obj.dtype, "real floating"):
        host = host.astype(np.float32)  # bfloat16, which numpy has from ml_dtypes alone
    picture, restore = _from_array(host)

    def back(result: Picture) -> Any:
        array = restore(result)
        try:
            return namespace.asarray(array, dtype=obj.dtype, device=obj.device)
        except (AttributeError, TypeError):  # no devices to choose from, or another way to do it
            return namespace.asarray(array)

    return picture, back


def _check_shape(given: tuple[int, ...], shape: tuple[int, ...]) -> None:
    """`given`, which is `shape` once it has channels and no batch axis, must be one picture."""
    if len(shape) == 3 and shape[2] in (1, 3, 4) and min(shape) > 0:
        return
    want = "give (H, W), (H, W, 1), (H, W, 3) or (H, W, 4); of a batch one picture at a time, or nst.stylize"
    if len(shape) == 3 and shape[0] in (1, 3, 4) and min(shape) > 0:
        want = "move the channels last: (H, W, 3), for example numpy.moveaxis(array, -3, -1)"
    raise ImageError(f"cannot use an array of shape {given} as a picture; {want}")


def from_any(
    picture: Any, longest: int | None = None, max_pixels: int = MAX_PIXELS
) -> tuple[Picture, Callable[[Picture], Any]]:
    """A picture of any kind that nst takes, and the function that gives the same kind back.

    Args:
        picture: a path, PIL image or numpy array (see `nst.pictures.kinds.from_object`); a torch.Tensor (C, H, W)
            or (1, C, H, W); a tf.Tensor or tf.Variable (H, W, C) or (1, H, W, C). C is 1, 3 or 4; uint8 or floats in
            [0, 1].
        longest: the longest side in pixels that is needed of a file, see `read_picture`.
        max_pixels: how many pixels of a file may be held.

    Raises:
        ImageError: none of these, or values out of range.

    Examples:
        >>> picture, restore = from_any(content)
        >>> picture.rgb.dtype, restore(picture).dtype
        (dtype('float32'), dtype('uint8'))
    """
    torch: Any = sys.modules.get("torch")
    if torch is not None and isinstance(picture, torch.Tensor):
        return _from_torch(picture)
    tf: Any = sys.modules.get("tensorflow")
    if tf is not None and isinstance(picture, (tf.Tensor, tf.Variable)):
        return _from_tensorflow(picture)
    return from_object(picture, longest, max_pixels)


def laid_out(picture: Any, layout: Layout) -> tuple[Any, Callable[[Any], Any]]:
    """A torch.Tensor (..., H, W, C) of layout "hwc" with channels first, and the way back; anything else as it is."""
    torch: Any = sys.modules.get("torch")
    if layout == "chw" or torch is None or not isinstance(picture, torch.Tensor) or picture.ndim < 3:
        return picture, lambda result: result
    return picture.movedim(-1, -3), lambda result: result.movedim(-3, -1)


def _from_torch(tensor: Any) -> tuple[Picture, Callable[[Picture], Any]]:
    torch: Any = sys.modules["torch"]

    batch = tensor.ndim == 4 and tensor.shape[0] == 1
    planes = tensor[0] if batch else tensor
    if planes.ndim != 3 or planes.shape[0] not in (1, 3, 4):
        raise ImageError(
            f"a torch picture has shape {tuple(tensor.shape)}: it must be (C, H, W) or (1, C, H, W) with C 1, 3 or 4, "
            "or (H, W, C) with layout='hwc' (nst.stylize takes batches as well)"
        )
    floats = tensor.dtype.is_floating_point
    host = planes.detach().cpu()
    array = (host.float() if floats else host).permute(1, 2, 0).numpy()
    picture, restore = from_object(array)

    def back(result: Picture) -> Any:
        planes = torch.from_numpy(np.ascontiguousarray(restore(result).transpose(2, 0, 1)))
        planes = planes.to(device=tensor.device, dtype=tensor.dtype)
        return planes[None] if batch else planes

    return picture, back


def _from_tensorflow(tensor: Any) -> tuple[Picture, Callable[[Picture], Any]]:
    tf: Any = sys.modules["tensorflow"]

    value = tf.convert_to_tensor(tensor)
    array = (tf.cast(value, tf.float32) if value.dtype.is_floating else value).numpy()
    picture, restore = from_object(array)

    def back(result: Picture) -> Any:
        with tf.device(value.device):
            return tf.cast(tf.convert_to_tensor(restore(result)), value.dtype)

    return picture, back


GROUP = "nst.pictures"
"""Entry points: the package that a tensor's class says it is from (`jaxlib`) -> a `Reader`."""

Reader: TypeAlias = Callable[[Any], tuple[NDArray[Any], Callable[[NDArray[Any]], Any]]]
"""tensor -> (an array of those that `nst.pictures.kinds.from_object` takes, array -> such a tensor)."""


def reader_of(obj: Any) -> Reader | None:
    """What an installed plug-in has for objects like this one, or None."""
    package = type(obj).__module__.partition(".")[0]
    for point in entry_points(group=GROUP, name=package):
        reader: Reader = point.load()
        return reader
    return None


Stack = Callable[[Sequence[Any]], Any]


def pictures_of_batch(batch: Any) -> tuple[list[Any], Stack] | None:
    """The pictures of a batch (N, ...), and how to put as many results together again; ImageError if it is empty.

    None for a single picture of any kind, with a batch axis of 1 or without.
    """
    shape: Any = getattr(batch, "shape", ())
    if len(shape) != 4 or shape[0] == 1:
        return None
    if shape[0] == 0:
        raise ImageError(f"a batch of shape {tuple(shape)} has no picture in it")
    return [batch[number] for number in range(int(shape[0]))], _stack_of(batch)


def _stack_of(batch: Any) -> Stack:
    torch: Any = sys.modules.get("torch")
    if torch is not None and isinstance(batch, torch.Tensor):
        return torch.stack  # type: ignore[no-any-return]
    tf: Any = sys.modules.get("tensorflow")
    if tf is not None and isinstance(batch, (tf.Tensor, tf.Variable)):
        return tf.stack  # type: ignore[no-any-return]
    if hasattr(batch, "__array_namespace__"):
        return batch.__array_namespace__().stack  # type: ignore[no-any-return]
    return np.stack

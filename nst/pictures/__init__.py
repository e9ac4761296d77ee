"""A picture as data: read, written, resized, recoloured, masked. Knows no network."""

from nst.pictures.color import Color
from nst.pictures.kinds import from_any
from nst.pictures.masks import Masks
from nst.pictures.picture import Picture
from nst.pictures.reading import read_picture
from nst.pictures.writing import write_picture

__all__ = ["Color", "Masks", "Picture", "from_any", "read_picture", "write_picture"]

"""Writes the small images of this folder and expected.tsv: one image for each way in which a file can hold pixels.

usage: generate.py        (pip install ImageHash==4.3.2 Pillow==13.0.0)
"""
import io
import os
import struct
import zlib

import imagehash
import numpy as np
from PIL import Image

os.chdir(os.path.dirname(os.path.abspath(__file__)))
WIDTH, HEIGHT = 45, 37
rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
GREY16 = ((rows * 1511 + columns * 977 + (rows - 20) * (columns - 9) * 61) % 65536).astype(np.uint16)
GREY = (GREY16 >> 8).astype(np.uint8)
ALPHA = ((rows * 5 + columns * 3) % 256).astype(np.uint8)
RGB = np.dstack([GREY, np.roll(GREY, 7, 1), 255 - GREY // 2])


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(depth, colour, lines, interlace=0, before=b""):
    """A PNG file of ready-made lines, for what Pillow cannot write."""
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, depth, colour, 0, 0, interlace)
    data = zlib.compress(b"".join(b"\0" + line for line in lines), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + before + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def packed(depth):
    """Grey of 2 or 4 bits."""
    for line in GREY >> (8 - depth):
        bits = "".join(f"{value:0{depth}b}" for value in line)
        bits += "0" * (-len(bits) % 8)
        yield int(bits, 2).to_bytes(len(bits) // 8, "big")


def adam7():
    for top, left, down, across in [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]:
        yield from (line.tobytes() for line in GREY[top::down, left::across])


def saved(image, **options):
    out = io.BytesIO()
    image.save(out, **options)
    return out.getvalue()


def without(jpeg, marker):
    """Drops the first segment with this marker."""
    at = jpeg.index(bytes([0xFF, marker]))
    return jpeg[:at] + jpeg[at + 2 + struct.unpack(">H", jpeg[at + 2 : at + 4])[0] :]


def be16(*planes):
    return [line.tobytes() for line in np.dstack(planes).astype(">u2").reshape(HEIGHT, -1)]


grey, rgb = Image.fromarray(GREY), Image.fromarray(RGB)
rgba = Image.fromarray(np.dstack([RGB, ALPHA]))
la = Image.merge("LA", (grey, Image.fromarray(ALPHA)))
cmyk = Image.merge("CMYK", (*rgb.split(), Image.fromarray(ALPHA // 3)))
wide_rgb = [GREY16, np.roll(GREY16, 7, 1), 65535 - GREY16 // 2]
exif = Image.Exif()
exif[0x112] = 6
frames = [Image.fromarray(255 - GREY), Image.fromarray(GREY // 2)]
files = {
    "grey.png": saved(grey, format="PNG"),
    "grey_alpha.png": saved(la, format="PNG"),
    "rgb.png": saved(rgb, format="PNG"),
    "rgba.png": saved(rgba, format="PNG"),
    "palette.png": saved(rgb.quantize(40), format="PNG"),
    "palette_4_bit.png": saved(rgb.quantize(9), format="PNG", bits=4),
    "palette_transparent.png": saved(rgb.quantize(40), format="PNG", transparency=3),
    "rgb_transparent.png": saved(rgb, format="PNG", transparency=tuple(int(v) for v in RGB[0, 0])),
    "one_bit.png": saved(grey.point(lambda v: 255 * (v > 128)).convert("1"), format="PNG"),
    "grey_2_bit.png": png(2, 0, packed(2)),
    "grey_4_bit.png": png(4, 0, packed(4)),
    "grey_16_bit.png": png(16, 0, be16(GREY16)),
    "grey_alpha_16_bit.png": png(16, 4, be16(GREY16, np.roll(GREY16, 5, 0))),
    "rgb_16_bit.png": png(16, 2, be16(*wide_rgb)),
    "rgba_16_bit.png": png(16, 6, be16(*wide_rgb, np.roll(GREY16, 5, 0))),
    "interlaced.png": png(8, 0, adam7(), interlace=1),
    "gamma.png": png(8, 0, (line.tobytes() for line in GREY), before=chunk(b"gAMA", struct.pack(">I", 100000))),
    "animated.png": saved(grey, format="PNG", save_all=True, append_images=frames, duration=50),
    "animated_default.png": saved(grey, format="PNG", save_all=True, append_images=frames, default_image=True),
    "one_pixel.png": saved(Image.new("L", (1, 1), 77), format="PNG"),
    "grey.jpg": saved(grey, format="JPEG", quality=90),
    "rgb_444.jpg": saved(rgb, format="JPEG", quality=85, subsampling=0),
    "rgb_420.jpg": saved(rgb, format="JPEG", quality=85, subsampling=2),
    "progressive.jpg": saved(rgb, format="JPEG", quality=85, progressive=True),
    "restarts.jpg": saved(rgb, format="JPEG", quality=85, restart_marker_blocks=2),
    "rgb_untransformed.jpg": saved(rgb, format="JPEG", quality=90, keep_rgb=True),
    "rotated_by_exif.jpg": saved(rgb, format="JPEG", quality=85, exif=exif),
    "cmyk.jpg": saved(cmyk, format="JPEG", quality=90),
    "cmyk_without_adobe.jpg": without(saved(cmyk, format="JPEG", quality=90), 0xEE),
    "one_pixel.jpg": saved(Image.new("RGB", (1, 1), (200, 10, 90)), format="JPEG"),
}
with open("expected.tsv", "w") as expected:
    expected.write("file\tmode\twidth\theight\twhash\n")
    for name, content in files.items():
        with open(name, "wb") as out:
            out.write(content)
        with Image.open(io.BytesIO(content)) as image:
            expected.write(f"{name}\t{image.mode}\t{image.width}\t{image.height}\t{imagehash.whash(image)}\n")

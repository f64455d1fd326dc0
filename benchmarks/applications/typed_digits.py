"""A second source of digits: typed ones, in the fonts that Matplotlib brings along.

uv run python benchmarks/applications/typed_digits.py FILE.npz
"""

import sys
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

SIZE, LARGE = 16, 64
PER_FONT = 12
FONTS = (
    "DejaVuSans",
    "DejaVuSans-Bold",
    "DejaVuSans-Oblique",
    "DejaVuSerif",
    "DejaVuSerif-Bold",
    "DejaVuSansMono",
    "DejaVuSansMono-Bold",
    "STIXGeneral",
    "STIXGeneralBol",
    "STIXGeneralItalic",
    "cmr10",
    "cmb10",
)
TEST_FONTS = ("DejaVuSerif-Italic", "DejaVuSansMono-Oblique", "STIXGeneralBolIta", "cmss10")


def drawn(digit: int, font: Path, rng: np.random.Generator) -> np.ndarray:
    """A white digit on black of random size, rotation and place, 0…255."""
    picture = Image.new("L", (LARGE, LARGE))
    size = int(rng.integers(48, 70))
    shift = rng.integers(-4, 5, 2)
    ImageDraw.Draw(picture).text(
        (LARGE // 2 + int(shift[0]), LARGE // 2 + int(shift[1])),
        str(digit),
        font=ImageFont.truetype(str(font), size),
        fill=255,
        anchor="mm",
    )
    turned = picture.rotate(float(rng.uniform(-15, 15)), Image.Resampling.BILINEAR)
    return np.asarray(turned.resize((SIZE, SIZE), Image.Resampling.BOX))


def main() -> None:
    """Write both splits; no font is in both."""
    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    rng = np.random.default_rng(0)
    arrays: dict[str, np.ndarray] = {}
    for split, fonts in (("train", FONTS), ("test", TEST_FONTS)):
        digits = [(digit, font) for digit in range(10) for font in fonts for _ in range(PER_FONT)]
        arrays[f"{split}_images"] = np.stack(
            [drawn(digit, folder / f"{font}.ttf", rng) for digit, font in digits]
        )
        arrays[f"{split}_labels"] = np.array([digit for digit, _ in digits])
    np.savez(sys.argv[1], allow_pickle=False, **arrays)


if __name__ == "__main__":
    main()

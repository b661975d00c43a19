"""Sets of scenes for detection and segmentation: miniatures that are composed here, and the real sets.

Imports neither torch nor what composes scenes: the catalog is read often, and by processes that do not train.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ablate.data.dataset import DataSet
from ablate.data.lock import Progress
from ablate.data.scenes.recipes import MANIFEST, SceneRecipe
from ablate.errors import DataError


@dataclass(frozen=True)
class MiniatureScenes(DataSet):
    """Scenes that are composed on this machine.

    Attributes:
        recipe: what decides every pixel.
        garments: the data set whose images are put into the scenes; it is fetched first.
    """

    recipe: SceneRecipe
    garments: DataSet
    can_fetch = True

    def find(self, root: Path) -> Path | None:
        """See `DataSet.find`."""
        folder = root / self.name
        return folder if (folder / MANIFEST).exists() else None

    def check(self, root: Path) -> Path:
        """See `DataSet.check`; reads every byte."""
        from ablate.data.scenes import make

        folder = root / self.name
        try:
            make.check(folder, self.recipe)
        except DataError as error:
            raise DataError(f"data set {self.name!r}: {error}; run `ablate data fetch {self.name}`") from error
        return folder

    def fetch(self, root: Path, progress: Progress) -> Path:
        """See `DataSet.fetch`; composes the scenes."""
        from ablate.data.scenes.make import make

        folder = root / self.name
        manifest = make(folder, self.recipe, self.garments.fetch(root, progress), progress)
        progress(f"{self.name}: {len(manifest.files):,} files verified in {folder}")
        return folder


@dataclass(frozen=True)
class RealScenes(DataSet):
    """Scenes that their makers distribute; the user unpacks them into a folder of the data set's name.

    Attributes:
        parts: files and folders that the folder has.
        origin: who distributes it, and what to unpack; the end of every error.
    """

    parts: tuple[str, ...]
    origin: str

    def find(self, root: Path) -> Path | None:
        """See `DataSet.find`."""
        folder = root / self.name
        return folder if all((folder / part).exists() for part in self.parts) else None

    def check(self, root: Path) -> Path:
        """See `DataSet.check`; validates the layout and reads no image."""
        folder = root / self.name
        for part in self.parts:
            if not (folder / part).exists():
                raise DataError(
                    f"data set {self.name!r}: {folder / part} is missing. Expected in {folder}: "
                    f"{', '.join(self.parts)}. It is {self.origin}"
                )
        return folder

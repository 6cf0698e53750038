"""A dataset and its derivatives, which are a dataset of their own, as one source.

The derivatives are cloned into a folder of the dataset's clone, as their paths would be if the
dataset shipped them: later stages know no difference.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tristream.errors import UserError
from tristream.fetch.receipt import FetchedFile
from tristream.fetch.sources import FolderOrigin, Listing, Origin
from tristream.paths import resolve_inside


@dataclass(frozen=True)
class NestedOrigin:
    """An origin whose `folder` is another origin's content.

    The commit of its listing is that of both, ``dataset+derivatives``. A folder of the user's is
    read where it is, and the listing says where.
    """

    outer: Origin
    folder: str
    inner: Origin

    def listing(self) -> Listing:
        """Files of both; those of the derivatives below `folder`."""
        own = self.outer.listing()
        self._stay_inside(own.root)
        other = self.inner.listing()
        files = [replace(file, path=self._down(file.path)) for file in other.files]
        omitted = [replace(o, what=self._down(o.what)) for o in other.omitted]
        commit = f"{own.commit}+{other.commit}"
        elsewhere = {} if other.commit else {self.folder: other.root.absolute().as_posix()}
        # Another copy below the dataset's own root is not the one that was named.
        outer = (file for file in own.files if not file.path.startswith(self._down("")))
        everything = (*outer, *files)
        return Listing(own.root, commit, everything, (*own.omitted, *omitted), elsewhere)

    def bring(self, listing: Listing, paths: Sequence[str]) -> list[FetchedFile]:
        """Bring files of both, in the order of `paths`."""
        commit, _, other = listing.commit.partition("+")
        start = self._down("")
        inner = tuple(
            replace(file, path=file.path.removeprefix(start))
            for file in listing.files
            if file.path.startswith(start)
        )
        own = [path for path in paths if not path.startswith(start)]
        theirs = [path.removeprefix(start) for path in paths if path.startswith(start)]
        got = self.outer.bring(Listing(listing.root, commit, listing.files), own)
        self._stay_inside(listing.root)
        home = Path(listing.elsewhere.get(self.folder, listing.root / self.folder))
        made = self.inner.bring(Listing(home, other, inner), theirs)
        found = {file.path: file for file in got}
        found |= {self._down(file.path): replace(file, path=self._down(file.path)) for file in made}
        return [found[path] for path in paths]

    def methods(self, what: str, commit: str) -> tuple[str, ...]:
        """Of the dataset, then of its derivatives."""
        own, _, other = commit.partition("+")
        return (*self.outer.methods(what, own), *self.inner.methods("Derivatives were", other))

    def _stay_inside(self, root: Path) -> None:
        """Where a clone is made, links that the dataset ships must not lead elsewhere."""
        if isinstance(self.inner, FolderOrigin):
            return
        if resolve_inside(root, self.folder) != root.resolve() / self.folder:
            raise UserError(
                f"{root / self.folder}: the dataset ships a link here, where its derivatives are "
                "to be cloned; drop `derivatives` from the descriptor, or tell its maintainers"
            )

    def _down(self, path: str) -> str:
        return f"{self.folder}/{path}"

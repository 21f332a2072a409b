"""Where things lie: in a clone everything within it; from an installed package on, each where it belongs."""

import os
from contextlib import suppress
from functools import cache
from pathlib import Path
from tempfile import gettempdir, mkdtemp

SHIPPED = Path(__file__).with_name("shipped")
"""What an installed package brings along: conf/, data/ and experiments/ without results. A clone has no such folder."""

INSTALLED = SHIPPED.is_dir()

REPOSITORY = SHIPPED if INSTALLED else Path(__file__).resolve().parents[2]
"""Where conf/, data/ and experiments/ lie, to be read: the clone, or what the installed package brings along."""

CONF = REPOSITORY / "conf"
EXPERIMENTS = REPOSITORY / "experiments"


def work_folder() -> Path:
    """Return the folder of mlflow.db, report.html and results/NAME: the clone, else the current one."""
    return Path.cwd() if INSTALLED else REPOSITORY


@cache
def cache_folder() -> Path:
    """Return the folder of compiled kernels and of locks: the clone's, else the user's, else a temporary one.

    Raises:
        OSError: nothing can be written there, or anywhere.
    """
    wanted = user_cache() if INSTALLED else REPOSITORY / ".cache"
    if wanted is not None and is_usable(wanted):
        return wanted
    temporary = Path(gettempdir()) / f"student-score-{os.getuid()}"
    # Others may have made it, to have this user run the kernels that they put there.
    mine = is_usable(temporary, 0o700) and not temporary.is_symlink() and temporary.stat().st_uid == os.getuid()
    return temporary if mine else Path(mkdtemp(prefix="student-score-"))


def user_cache() -> Path | None:
    """Return where this user's programs keep what can be made again, None if they have no home; it may not exist."""
    chosen = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if chosen.is_absolute():  # As the standard wants it.
        return chosen / "student-score"
    try:
        return Path.home() / ".cache" / "student-score"
    except RuntimeError:
        return None


def is_usable(folder: Path, mode: int = 0o777) -> bool:
    """Say whether files can be written into a folder, which is made, with this mode, if need be."""
    try:
        folder.mkdir(mode=mode, parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK | os.X_OK)


def ensure_home() -> None:
    """Give a user without a home the cache folder for one, and the font cache a place that can be written.

    MLflow cannot be imported without a home; Matplotlib would complain and look for all fonts in every process.
    """
    with suppress(OSError):
        try:
            home = Path.home()
        except RuntimeError:
            os.environ["HOME"] = str(cache_folder())
        else:
            if not os.access(home, os.W_OK | os.X_OK):
                os.environ.setdefault("MPLCONFIGDIR", str(cache_folder() / "matplotlib"))


def known_studies() -> list[str]:
    """Return the names of the studies: the folders of experiments/ that hold a study.py."""
    return sorted(path.parent.name for path in EXPERIMENTS.glob("*/study.py"))

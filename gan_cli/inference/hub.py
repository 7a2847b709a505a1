"""Models on the Hugging Face Hub: downloaded into its cache, and pushed by the user's own login. Imports no torch.

``huggingface_hub`` is the extra ``hub``. Its settings hold: ``HF_ENDPOINT``, ``HF_TOKEN``, ``HF_HOME``,
``HF_HUB_OFFLINE``. No message repeats a token, whatever a server answers.
"""

from __future__ import annotations

import contextlib
import logging
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gan_cli import __version__
from gan_cli.config.extras import require_extra
from gan_cli.errors import ConfigError, DataError, UserError, printable, truncated_repr
from gan_cli.inference.exported_model import FILES, MAX_WEIGHTS_BYTES

logger = logging.getLogger(__name__)

PREFIX = "hub:"
# One name on each side of the slash; the Hub has rules of its own beside these.
REPOSITORY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,95}/[A-Za-z0-9_][A-Za-z0-9_.-]{0,95}")
LOGIN = "`hf auth login` logs in, and HF_TOKEN=... is a login, too"
# Longest answer of a server that a message repeats, in characters.
MAX_ANSWER = 300


@dataclass(frozen=True)
class ModelName:
    """A model on the Hub.

    Attributes:
        repository: ``OWNER/NAME``.
        revision: branch, tag or commit; None: the latest commit.
    """

    repository: str
    revision: str | None = None

    def __str__(self) -> str:
        return f"{PREFIX}{self.repository}" + (f"@{self.revision}" if self.revision else "")


def parse_model_name(text: str) -> ModelName | None:
    """Parse ``hub:OWNER/NAME`` with an optional ``@REVISION``; None for text without the prefix.

    Raises:
        ConfigError: no such name follows the prefix.
    """
    if not text.startswith(PREFIX):
        return None
    repository, at, revision = text.removeprefix(PREFIX).partition("@")
    if not REPOSITORY.fullmatch(repository) or (at and not re.fullmatch(r"[\w./-]{1,200}", revision)):
        raise ConfigError(f"expected {PREFIX}OWNER/NAME or {PREFIX}OWNER/NAME@REVISION, got {truncated_repr(text)}")
    return ModelName(repository, revision or None)


def require_repository(option: str, text: str) -> None:
    """Raise ``ConfigError`` unless a text is a name for a repository, ``OWNER/NAME``."""
    if not REPOSITORY.fullmatch(text):
        raise ConfigError(f"{option}: expected OWNER/NAME, the owner being a user or an organization, got"
                          f" {truncated_repr(text)}")  # fmt: skip


def require_login(option: str) -> None:
    """Raise ``ConfigError`` unless there is a login for the Hub on this machine; asks no server."""
    require_extra(option, "hub")
    from huggingface_hub import get_token

    with _explained(option):
        token = get_token()
    if token is None:
        raise ConfigError(f"{option}: not logged in to the Hugging Face Hub: {LOGIN}")


def download(name: ModelName) -> Path:
    """Return the folder in the Hub's cache with the files of a model, which are downloaded where they are not there.

    Without a network, the files that were downloaded for that name before are used.

    Raises:
        ConfigError: there is no such model, no right to read it, or it is none that gan_cli can load.
        DataError: the Hub cannot be reached, and the files are not there.
    """
    require_extra(f"{name}", "hub")
    from huggingface_hub import hf_hub_download

    try:
        with _explained(str(name)):
            info = _api().model_info(name.repository, revision=name.revision, files_metadata=True)
    except DataError as error:
        cached = _cached(name)
        if cached is None:
            raise
        logger.warning("%s; what was downloaded before is used", error)
        return cached
    sizes = {file.rfilename: file.size or 0 for file in info.siblings or ()}
    missing = [file for file in FILES if file not in sizes]
    if missing:
        raise ConfigError(f"{name} has no {missing[0]}: gan-export --format hub writes what can be loaded")
    if sum(sizes[file] for file in FILES) > MAX_WEIGHTS_BYTES:
        raise ConfigError(f"{name}: its files have more than {MAX_WEIGHTS_BYTES:,} bytes")
    with _explained(str(name)):
        paths = [Path(str(hf_hub_download(name.repository, file, revision=info.sha))) for file in FILES]
        # So that the name is known without a network, too: the cache has commits by name only where asked by name.
        hf_hub_download(name.repository, FILES[-1], revision=name.revision)
    return paths[0].parent


def push(folder: Path, files: Sequence[str], repository: str, message: str, *, private: bool) -> str:
    """Push files of a folder to the Hub in a single commit, into a repository that is made where there is none.

    Args:
        folder: with the files.
        files: their names.
        repository: ``OWNER/NAME``.
        message: of the commit.
        private: whether nobody else is to see them.

    Returns:
        The address of the repository.

    Raises:
        ConfigError: the Hub does not accept the login, the name or the files, or the repository is public.
        DataError: the Hub cannot be reached.
    """
    from huggingface_hub import CommitOperationAdd

    api = _api()
    with _explained(f"--push {repository}"):
        address = str(api.create_repo(repository, private=private or None, exist_ok=True))
        is_public = private and not api.model_info(repository).private
    if is_public:
        raise ConfigError(f"--private: {repository} is on the Hub already, and public; nothing was pushed")
    with _explained(f"--push {repository}"):
        api.create_commit(repository, [CommitOperationAdd(file, str(folder / file)) for file in files],
                          commit_message=message)  # fmt: skip
    return address


def _api() -> Any:
    from huggingface_hub import HfApi

    return HfApi(library_name="gan-cli", library_version=__version__)


def _cached(name: ModelName) -> Path | None:
    """Return the folder of a model that was downloaded before; None where it is not complete."""
    from huggingface_hub import try_to_load_from_cache

    found = [try_to_load_from_cache(name.repository, file, revision=name.revision) for file in FILES]
    paths = [Path(path) for path in found if isinstance(path, str)]
    return paths[0].parent if len(paths) == len(FILES) else None


@contextlib.contextmanager
def _explained(subject: str) -> Iterator[None]:
    """Turn errors of ``huggingface_hub`` into one line each that begins with the subject.

    Its progress bars are for terminals alone.
    """
    from huggingface_hub.utils.tqdm import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    silenced = not (sys.stderr.isatty() or are_progress_bars_disabled())
    if silenced:
        disable_progress_bars()
    try:
        yield
    except Exception as error:
        explained = _explain(subject, error)
        if explained is None:
            raise
        raise explained from None  # the error may hold the request, and with it the token
    finally:
        if silenced:
            enable_progress_bars()


def _explain(subject: str, error: Exception) -> UserError | None:
    """Return an error of ``huggingface_hub`` for a user; None where it is one of this machine, such as a full disk."""
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RevisionNotFoundError

    chain: list[BaseException] = [error]
    while (cause := chain[-1].__cause__) is not None and len(chain) < 10:
        chain.append(cause)
    answered = next((each for each in chain if isinstance(each, HfHubHTTPError)), None)
    if answered is None:
        if any(isinstance(each, OSError) and each.errno is not None for each in chain):
            return None
        return DataError(f"{subject}: {_endpoint()} cannot be reached ({_answer(chain[-1])})")
    status = answered.response.status_code
    if isinstance(answered, GatedRepoError):
        return ConfigError(f"{subject}: its author grants access to it one by one; ask for it on its page on the Hub")
    if isinstance(answered, RevisionNotFoundError):
        return ConfigError(f"{subject}: there is no such revision")
    if status in (401, 403):
        return ConfigError(f"{subject}: the Hub refuses this ({status}): no such login, one without the right to it, or"
                           f" no such repository. {LOGIN}")  # fmt: skip
    if status == 404:
        return ConfigError(f"{subject}: the Hub has none of that name, or it is private: {LOGIN}")
    if status == 429 or status >= 500:
        return DataError(f"{subject}: the Hub fails ({status}); another time it may not")
    return ConfigError(f"{subject}: the Hub refuses this ({status}): {_answer(answered)}")


def _endpoint() -> str:
    from huggingface_hub import constants

    return printable(constants.ENDPOINT)


def _answer(error: BaseException) -> str:
    """Return the message of an error in one line, without the token that a server may repeat."""
    from huggingface_hub import get_token

    text = " ".join(str(getattr(error, "server_message", None) or error).split()) or type(error).__name__
    token = get_token()
    return printable(text.replace(token, "***") if token else text)[:MAX_ANSWER]

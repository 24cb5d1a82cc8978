"""Files of the Hugging Face hub: where one is, under which commit, and its checksum, as the hub's own library finds it.

The library itself keeps nothing of a download that broke off, so the bytes are fetched as from any other address.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from replyx.errors import ConfigError, NotFound, ServiceUnavailable, ValidationFailed

#: How a source names a file of the hub: `hf:OWNER/REPO/FILE.gguf`.
PREFIX = "hf:"


@dataclass(frozen=True)
class HubFile:
    """A file as it is now. `url` names its commit, so that what is fetched later is the same file."""

    url: str
    #: None for a small file, of which the hub does not know it.
    sha256: str | None
    #: With the user's token, where there is one: `HF_TOKEN`, or what `hf auth login` left.
    headers: dict[str, str]


def find_on_hub(source: str) -> HubFile:
    """Look a file up; `source` with or without `hf:`.

    Raises:
        ValidationFailed: it names no file. NotFound: the hub has none of that name, or shows it to others only.
        ConfigError: the library is missing. ServiceUnavailable: the hub does not answer.
    """
    parts = source.removeprefix(PREFIX).split("/", 2)
    if len(parts) != 3 or not all(parts):
        raise ValidationFailed.of("source", "Нужно hf:ВЛАДЕЛЕЦ/РЕПО/ФАЙЛ.gguf", "hf:OWNER/REPO/FILE.gguf is needed")
    try:
        from httpx2 import HTTPError
        from huggingface_hub import get_hf_file_metadata, get_token, hf_hub_url
        from huggingface_hub.errors import HfHubHTTPError, HFValidationError
    except ImportError as error:
        raise ConfigError(
            'Нет библиотеки. Выполните: pip install "replyx[hub]"', 'It is missing. Run: pip install "replyx[hub]"'
        ) from error
    repo, file = f"{parts[0]}/{parts[1]}", parts[2]
    try:
        found = get_hf_file_metadata(hf_hub_url(repo, file), timeout=30)
    except HFValidationError as error:
        raise ValidationFailed.of("source", f"{repo} — не имя хаба", f"{repo} is no name of the hub") from error
    except HfHubHTTPError as error:
        raise _refused(repo, file, error.response.status_code) from error
    except (HTTPError, OSError) as error:
        raise _silent(type(error).__name__) from error
    etag = found.etag or ""
    sha256 = etag if re.fullmatch("[0-9a-f]{64}", etag) else None
    token = get_token()
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return HubFile(hf_hub_url(repo, file, revision=found.commit_hash), sha256, headers)


def _refused(repo: str, file: str, status: int) -> NotFound | ServiceUnavailable:
    if status in (401, 403):
        return NotFound(
            f"Хаб не показывает {repo}: такого нет, или нужен токен (HF_TOKEN) и согласие с условиями модели",
            f"The hub does not show {repo}: there is none, or it wants a token (HF_TOKEN) and its terms accepted",
        )
    if status == 404:
        return NotFound(f"На хабе нет {repo}/{file}", f"The hub has no {repo}/{file}")
    return _silent(str(status))


def _silent(why: str) -> ServiceUnavailable:
    return ServiceUnavailable(f"Хаб Hugging Face не отвечает: {why}", f"The Hugging Face hub does not answer: {why}")

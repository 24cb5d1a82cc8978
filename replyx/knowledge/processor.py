"""What LanceDB wants of a processor, asked before it is loaded: it would kill the process without a word."""

from __future__ import annotations

from pathlib import Path

from replyx.errors import ConfigError


def require_avx2(cpuinfo: Path = Path("/proc/cpuinfo")) -> None:
    """Refuse a processor on which importing LanceDB would kill this process.

    Raises:
        ConfigError: the processor is an x86 without AVX2.
    """
    if not cpuinfo.is_file():
        return
    flags = next((x for x in cpuinfo.read_text(errors="replace").splitlines() if x.startswith("flags")), "")
    if flags and "avx2" not in flags.split():
        raise ConfigError(
            "Процессор не умеет AVX2, без которых LanceDB не работает. Нужна машина не старше Intel Haswell / AMD Zen.",
            "The processor lacks AVX2, which LanceDB needs. Use a machine no older than Intel Haswell / AMD Zen.",
        )

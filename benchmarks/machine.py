"""What was measured on, and with which versions: a number without these says nothing."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path

from cryptography.hazmat.backends.openssl import backend


def describe() -> dict[str, str]:
    """The machine and the interpreter."""
    return {
        "cpu": _cpu(),
        "cores": str(os.cpu_count()),
        "load before": ", ".join(f"{load:.1f}" for load in os.getloadavg()),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}, {platform.python_compiler()}",
        "openssl (in cryptography)": backend.openssl_version_text(),
        "gil": "on" if getattr(sys, "_is_gil_enabled", lambda: True)() else "off",
    }


def versions() -> dict[str, str]:
    """Every installed package."""
    found = {distribution.name: distribution.version for distribution in distributions()}
    return dict(sorted(found.items(), key=lambda item: item[0].lower()))


def _cpu() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    if sys.platform == "darwin":
        name = ["/usr/sbin/sysctl", "-n", "machdep.cpu.brand_string"]
        return subprocess.run(name, check=True, capture_output=True, text=True).stdout.strip()
    return platform.processor() or platform.machine()

"""Makes the shard that the tests and the target `tar` begin with: members of every kind that a shard may hold or must not.

    python3 fuzz/make_shard.py
"""

import tarfile
from io import BytesIO
from pathlib import Path

TARGET = Path(__file__).resolve().parent.parent / "crates" / "jobs" / "tests" / "fuzzed" / "tar" / "members.tar"
FILES = ["a.png", "a.cls", "../../b.png", "/c.png", "folder/d.seg.png", "x" * 300 + ".png", "\x1b[31m.png"]
OTHERS = {"symbolic.png": tarfile.SYMTYPE, "hard.png": tarfile.LNKTYPE, "device.png": tarfile.CHRTYPE, "pipe.png": tarfile.FIFOTYPE,
          "folder.png": tarfile.DIRTYPE}

with tarfile.open(TARGET, "w", format=tarfile.PAX_FORMAT) as archive:
    for name in FILES:
        member = tarfile.TarInfo(name)
        member.size = 3
        archive.addfile(member, BytesIO(b"281"))
    for name, kind in OTHERS.items():
        member = tarfile.TarInfo(name)
        member.type = kind
        member.linkname = "/etc/passwd" if kind in (tarfile.SYMTYPE, tarfile.LNKTYPE) else ""
        archive.addfile(member)

"""``python -m vo.app MODULE``: one of the processes of the service."""

from __future__ import annotations

import sys
from importlib import import_module

from vo.core.lean import imports

if __name__ == "__main__":
    with imports():
        import pyarrow as pa

        module = import_module(sys.argv[1])
        pa.scalar("")  # by now at the latest pyarrow has looked for pandas
    module.main()

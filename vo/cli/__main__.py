"""``python -m vo.cli``."""

from vo.cli import main

main()

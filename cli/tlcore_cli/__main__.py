"""``python -m tlcore_cli`` is ``tl``."""

from tlcore_cli.main import main

main()

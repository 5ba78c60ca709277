"""Makes what tests of training share importable."""

import sys
from pathlib import Path

# Tests are imported by path, so a module beside them is not found.
sys.path.insert(0, str(Path(__file__).parent))

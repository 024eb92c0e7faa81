"""`python -m vae_lib.diagnose my_module:build`; imported, it is the function `vae_lib.diagnose` itself."""

import sys

from vae_lib.diagnosis import diagnose

if __name__ == "__main__":
    from vae_lib.diagnosis.command import main

    sys.exit(main())
sys.modules[__name__] = diagnose  # so that `import vae_lib.diagnose` leaves the function in its place

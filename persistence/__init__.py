"""Where rotations are stored: the only package that imports SQL, and the vault that seals private keys."""

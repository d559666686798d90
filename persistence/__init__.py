"""Where rotations are remembered: the only importer of SQL, and the vault that seals private keys."""

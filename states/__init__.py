"""What a rotation is and which moves are legal. No I/O; imports nothing else of Keyturn's."""

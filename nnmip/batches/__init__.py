"""Work that falls into pieces: tables of answers that grow and can be resumed, and what carries out the pieces."""

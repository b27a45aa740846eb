"""Vectors and title words in, scores per label out. A head never encodes."""

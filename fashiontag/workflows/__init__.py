"""Straight functions that call the rooms below in order: embed, tag, index, search."""

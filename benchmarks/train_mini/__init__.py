"""Training of the embedded model `fashiontag/encoders/mini`: see RESULTS.md and `--help`."""

"""Child processes: their start, their output, their end, and the proof that they are gone."""

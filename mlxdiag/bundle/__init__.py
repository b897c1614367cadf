"""Bundle: a recording and what was made of it, without names and numbers that identify anybody."""

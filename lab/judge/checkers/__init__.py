"""One file for each checker: a pure function from the record of a run to a `Check`. `registry` lists them all."""

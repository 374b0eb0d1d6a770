"""Judge the record of a run. Pure: an old run can be judged again, with the same result."""

"""From the record of a run to its verdict. Pure: an old run can be judged again."""

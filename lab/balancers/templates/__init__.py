"""Configuration templates: one a file that a balancer reads, named as that file is."""

"""Which packages the wheel holds: the four folders of the repository, under one name (docs/decisions/0052).

Everything else about the distribution is in pyproject.toml, which cannot give packages a prefix.
"""

from setuptools import find_packages, setup

PACKAGES = find_packages(include=["lb*", "api*", "chaos*", "lab*"])
setup(packages=["reroute_lab", *(f"reroute_lab.{package}" for package in PACKAGES)])

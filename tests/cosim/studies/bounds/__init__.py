"""Tests of the bounds of emissions."""

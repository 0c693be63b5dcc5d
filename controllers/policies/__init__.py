"""The policies that come with the project, one module each; :mod:`controllers` exports them all."""

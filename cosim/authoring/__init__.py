"""A start: the scenarios that come with the package, a new controller, and the checks of any."""

"""The least emissions possible per freedom, as lower bounds, and the best plan found."""

"""Pictures for people. No number depends on one: drawing belongs to no identity, and nothing is run again for it."""

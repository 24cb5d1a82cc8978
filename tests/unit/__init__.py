"""Pure rules and the rules of the house."""

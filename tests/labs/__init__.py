"""Labs that exist for the tests of the machinery only."""

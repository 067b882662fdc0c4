"""The test helpers: what applications use in their own tests."""

"""Speech models: what one is, how one is found by name, and the mock that ships."""

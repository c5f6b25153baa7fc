"""A load that changes with time: `earful bench --scenario`, and the report of what came of it."""

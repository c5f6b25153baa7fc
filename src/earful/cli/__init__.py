"""The command `earful`. Each command is a module; what it needs is loaded when it runs."""

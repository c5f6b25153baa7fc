"""What is wrong with a machine, a store, a proxy or a service, before users find it: for `earful doctor`."""

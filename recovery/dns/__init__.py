"""The service's name: watching it change (`convergence`)."""

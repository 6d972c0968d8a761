"""The company's platform as Pulumi stacks; `__main__` is the program that `pulumi up` runs."""

"""The policy pack: what no stack of the company may be, however it is configured."""

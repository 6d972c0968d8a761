"""The shop: a company's application, as small as one can be that still takes orders, keeps them and sends mail."""

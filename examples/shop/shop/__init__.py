"""The shop: a company's application, as small as one can be that takes orders, keeps them and sends mail."""

"""The vendored schema of Shopify's Admin API, cut down to what is used; see ``prune``."""

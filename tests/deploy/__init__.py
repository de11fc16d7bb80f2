"""The product behind the proxies of docs/deploy.md."""

"""One room for each service of the contract: translate, call, translate back. No rules."""

"""How it gets there: the ledger, the gates, the gateways. Imports audiences only."""

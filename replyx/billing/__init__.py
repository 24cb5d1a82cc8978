"""Money: the ledger, holds and captures, prices."""

"""What tests stand on: servers, processes, clients, documents, a clock."""

"""What tests share: servers, clients, browsers, generators."""

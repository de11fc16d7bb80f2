"""The API: schema, resolvers, transports, settings, app, command line. The only importer of Strawberry and FastAPI."""

"""HTTP, as far as uvicorn, Starlette and Strawberry leave it open."""

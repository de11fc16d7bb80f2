"""What a document and an operation may ask for: found out before anything is executed, in time linear in its length."""

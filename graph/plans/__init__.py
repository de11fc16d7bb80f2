"""Operations compiled from their documents, each held to Strawberry's answers by a differential test."""

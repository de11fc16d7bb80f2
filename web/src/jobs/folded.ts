/**
 * A text without its case, as the server folds it (Unicode's full case folding: ß is ss). Letter by letter, for what a
 * capital sigma becomes depends on its neighbours; the dotless i has no capital of its own, and stays.
 */
export function folded(text: string): string {
  return Array.from(text, (letter) =>
    letter === "ı" ? letter : letter.toLowerCase().toUpperCase().toLowerCase(),
  ).join("");
}

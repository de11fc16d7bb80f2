/** The curves that are shown first, before whatever else was logged. */
const FIRST = ["loss", "accuracy", "learningRate"];

/** Of these more is better; of everything else less. */
const MORE_IS_BETTER = /acc|auc|f1|precision|recall|score|bleu|rouge|per_second|throughput/i;

/** The names of curves, each once, in the order that they are shown in. */
export function namesOf(all: readonly string[]): string[] {
  const names = new Set(all);
  return [...FIRST.filter((name) => names.has(name)), ...[...names].filter((name) => !FIRST.includes(name))];
}

export function isBetterHigh(name: string): boolean {
  return MORE_IS_BETTER.test(name);
}

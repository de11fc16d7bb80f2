import type { CreateJobInput, Scenario, Schedule } from "../api/generated";

/** A setting of a new job that is simulated, as the API names it. */
export type Setting = keyof Pick<
  CreateJobInput,
  "name" | "modelName" | "scenario" | "schedule" | "learningRate" | "batchSize" | "epochs" | "stepsPerEpoch" | "seed"
>;

/** What the form holds: texts, as they were typed. */
export type Texts = Readonly<Record<Setting, string>>;

/** What is wrong with a setting, in the words that the server has for its own errors: "must be …, got …". */
export type Errors = Partial<Record<Setting, string>>;

// In the order of the form: the first that is wrong gets the focus.
export const DEFAULTS: Texts = {
  name: "",
  modelName: "resnet-18",
  scenario: "HEALTHY",
  schedule: "COSINE",
  learningRate: "0.001",
  batchSize: "32",
  epochs: "3",
  stepsPerEpoch: "100",
  seed: "",
};

export const SETTINGS = Object.keys(DEFAULTS) as readonly Setting[];

export const BATCH_SIZES = Array.from({ length: 21 }, (_, power) => String(2 ** power));

// GraphQL's Int. What no variable can hold is an error of the whole request, and would name no setting.
const LARGEST_INT = 2 ** 31 - 1;
const WHOLE = /^[+-]?\d+$/;
const DECIMAL = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

// Ranges are not here: they are the server's to know.
const CHECKS: Partial<Record<Setting, (text: string) => string | undefined>> = {
  name: checkText,
  modelName: checkText,
  learningRate: checkDecimal,
  epochs: checkWhole,
  stepsPerEpoch: checkWhole,
  seed: (text) => (text === "" ? undefined : checkWhole(text)),
};

/** What cannot be sent to the server, and why. */
export function errorsOf(texts: Texts): Errors {
  const errors: Errors = {};
  for (const setting of SETTINGS) {
    const error = CHECKS[setting]?.(texts[setting].trim());
    if (error) errors[setting] = error;
  }
  return errors;
}

/** The settings as the API takes them, from texts without errors. */
export function inputOf(texts: Texts): CreateJobInput {
  return {
    name: texts.name,
    modelName: texts.modelName,
    // Chosen from the server's own lists.
    scenario: texts.scenario as Scenario,
    schedule: texts.schedule as Schedule,
    learningRate: Number(texts.learningRate),
    batchSize: Number(texts.batchSize),
    epochs: Number(texts.epochs),
    stepsPerEpoch: Number(texts.stepsPerEpoch),
    seed: texts.seed.trim() === "" ? null : Number(texts.seed),
  };
}

/** The settings to preview: a job's names are no part of its curves, and need not be typed yet. Nothing where others are wrong. */
export function previewInputOf(texts: Texts): CreateJobInput | undefined {
  const named = { ...texts, name: texts.name.trim() || "preview", modelName: texts.modelName.trim() || "preview" };
  return Object.keys(errorsOf(named)).length === 0 ? inputOf(named) : undefined;
}

function checkText(text: string): string | undefined {
  return text === "" ? "must not be empty or blank." : undefined;
}

function checkWhole(text: string): string | undefined {
  if (text === "") return checkText(text);
  if (!WHOLE.test(text)) return `must be a whole number, got ${text}.`;
  return Math.abs(Number(text)) > LARGEST_INT ? `must be within ±${LARGEST_INT}, got ${text}.` : undefined;
}

function checkDecimal(text: string): string | undefined {
  if (text === "") return checkText(text);
  if (!DECIMAL.test(text)) return `must be a number such as 0.001 or 1e-3, got ${text}.`;
  return Number.isFinite(Number(text)) ? undefined : `is too large a number, got ${text}.`;
}

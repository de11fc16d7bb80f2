import { useMemo, useState } from "react";
import { DEFAULTS, type Errors, errorsOf, previewInputOf, SETTINGS, type Setting, type Texts } from "./settings";
import { type Refusal, usePreview } from "./use-preview";

/** What was typed, what is wrong with it, and the preview of it. */
export function useSettings() {
  const [texts, setTexts] = useState(DEFAULTS);
  const [touched, setTouched] = useState<ReadonlySet<Setting>>(new Set());
  const [refusal, setRefusal] = useState<Refusal>();
  const preview = usePreview(useMemo(() => previewInputOf(texts), [texts]));
  const errors = allErrors(texts, refusal ?? preview.refusal);

  return {
    texts,
    preview,
    /** Whether closing loses something. */
    changed: SETTINGS.some((setting) => texts[setting] !== DEFAULTS[setting]),
    /** The error of a setting, once its field was changed or the form was sent. */
    shownError: (setting: Setting) => (touched.has(setting) ? errors[setting] : undefined),
    change: (setting: Setting, text: string) => {
      setTexts((now) => ({ ...now, [setting]: text }));
      setTouched((now) => new Set(now).add(setting));
      setRefusal(undefined);
    },
    touchAll: () => setTouched(new Set(SETTINGS)),
    /** Keeps why the server refused the job, until a setting is changed. */
    refuse: setRefusal,
  };
}

/** What is wrong, for a place that shows which field it is. */
function reasonOf({ field, message }: Refusal): string {
  return message.startsWith(`${field}: `) ? message.slice(field.length + 2) : message;
}

function allErrors(texts: Texts, refusal: Refusal | undefined): Errors {
  if (refusal === undefined) return errorsOf(texts);
  // The total has no field of its own: it follows from this one.
  const setting = SETTINGS.find((each) => each === refusal.field) ?? "stepsPerEpoch";
  return { [setting]: reasonOf(refusal), ...errorsOf(texts) };
}

import { useId } from "react";
import type { Setting } from "./settings";

interface FieldProps {
  name: Setting;
  label: string;
  value: string;
  hint: string | undefined;
  error: string | undefined;
  onChange: (text: string) => void;
  /** What can be chosen; without it the setting is typed. */
  options?: readonly string[];
  inputMode?: "numeric";
  placeholder?: string;
}

/** A setting with its label, what it means, and what is wrong with it. */
export function Field({ name, label, value, hint, error, onChange, options, ...typing }: FieldProps) {
  const id = useId();
  const control = {
    id,
    name,
    value,
    "aria-invalid": error !== undefined,
    "aria-describedby": `${id}-hint ${id}-error`,
    onChange: (event: { target: { value: string } }) => onChange(event.target.value),
  };
  return (
    <div className="setting" data-setting={name}>
      <label htmlFor={id}>{label}</label>
      {options ? (
        <select {...control}>
          {options.map((option) => (
            <option key={option} value={option}>
              {wordOf(option)}
            </option>
          ))}
        </select>
      ) : (
        // A text even where it is a number: what was typed is kept and answered, whatever it is.
        <input {...control} {...typing} type="text" autoComplete="off" spellCheck={false} />
      )}
      <p id={`${id}-hint`} className="setting-hint">
        {hint}
      </p>
      <p id={`${id}-error`} className="setting-error">
        {error}
      </p>
    </div>
  );
}

/** HEALTHY as people write it. */
function wordOf(option: string): string {
  return option.charAt(0) + option.slice(1).toLowerCase();
}

import { type ReactNode, useRef, useState } from "react";

/** A button that shows that it is working, and cannot be pressed again until it has done so. */
export function BusyButton(props: {
  children: ReactNode;
  className?: string;
  label?: string;
  disabled?: boolean;
  onPress: () => Promise<unknown>;
}) {
  const [busy, setBusy] = useState(false);
  // Two presses may come before React has drawn the first.
  const working = useRef(false);
  const press = async () => {
    if (working.current) return;
    working.current = true;
    setBusy(true);
    try {
      await props.onPress();
    } finally {
      working.current = false;
      setBusy(false);
    }
  };
  return (
    <button
      type="button"
      className={`button ${props.className ?? ""}`}
      aria-label={props.label}
      aria-busy={busy}
      aria-disabled={busy}
      disabled={props.disabled}
      onClick={press}
    >
      {busy && <span className="spinner" aria-hidden="true" />}
      {props.children}
    </button>
  );
}

import { useEffect, useState } from "react";

export type Theme = "light" | "dark" | "system";

const THEMES: readonly Theme[] = ["system", "light", "dark"];
const KEY = "theme";

/** Light or dark: as the system has it, unless the person chose. */
export function useTheme(): [Theme, (theme: Theme) => void] {
  const [theme, setTheme] = useState<Theme>(() => THEMES.find((each) => each === remembered()) ?? "system");
  useEffect(() => {
    remember(theme);
    if (theme === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    // Canvases are painted with colours of their own, and are drawn anew.
    window.dispatchEvent(new Event("themechange"));
  }, [theme]);
  return [theme, setTheme];
}

// A browser may keep nothing for the page: the choice then holds for as long as it is open.

function remembered(): string | null {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null;
  }
}

function remember(theme: Theme): void {
  try {
    localStorage.setItem(KEY, theme);
  } catch {}
}

export function ThemeSwitch({ theme, onChange }: { theme: Theme; onChange: (theme: Theme) => void }) {
  return (
    <label className="theme">
      Theme{" "}
      <select value={theme} onChange={(event) => onChange(event.target.value as Theme)}>
        <option value="system">System</option>
        <option value="light">Light</option>
        <option value="dark">Dark</option>
      </select>
    </label>
  );
}
